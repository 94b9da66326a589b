"""Migrations: a list of SQL scripts; `PRAGMA user_version` says how many have run."""

from collections.abc import Sequence

import apsw

from hive.store.connections import fetch, roll_back
from hive.store.errors import SchemaTooNew


def version_of(connection: apsw.Connection, scripts: Sequence[str]) -> int:
    """How many of the scripts this database has seen; raises SchemaTooNew."""
    version: int = connection.pragma("user_version")
    if version > len(scripts):
        raise SchemaTooNew(
            f"{connection.filename} has schema {version}, this version of Hyperhive knows up to "
            f"{len(scripts)}: start the newer version again, or restore an older backup"
        )
    return version


def migrate(connection: apsw.Connection, scripts: Sequence[str]) -> None:
    """Run the scripts that this database has not seen, each whole or not at all.

    Raises SchemaTooNew, or the script's own error, annotated with its number.
    """
    version = version_of(connection, scripts)
    for number, script in enumerate(scripts[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            fetch(connection, script)
            fetch(connection, f"PRAGMA user_version={number}")
            connection.execute("COMMIT")
        except Exception as error:
            roll_back(connection)
            error.add_note(f"in migration {number} of {connection.filename}; it was undone")
            raise
