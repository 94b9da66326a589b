"""Which conversation of the CLI is continued, also after a restart: its id in a small file."""

import logging
import uuid
from pathlib import Path

from attrs import frozen

from hive.files import read_small

_log = logging.getLogger(__name__)


@frozen
class CliSession:
    """A conversation of the CLI; `known` when the CLI has stored it, so that it is resumed."""

    id: str
    known: bool


def load(path: Path) -> CliSession:
    """The session noted in `path`, or a new one if there is none that can be read."""
    try:
        return CliSession(str(uuid.UUID(read_small(path).decode().strip())), known=True)
    except (OSError, ValueError):
        return new_session()


def new_session() -> CliSession:
    """A session with a new id, which the CLI does not know yet."""
    return CliSession(str(uuid.uuid4()), known=False)


def save(path: Path, session: CliSession) -> None:
    """Write the session's id to `path`, wholly or not at all; what fails is only logged.

    Then a restarted harness begins a new conversation.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_text(f"{session.id}\n")
        new.replace(path)
    except OSError as error:
        _log.warning("the session cannot be noted in %s: %s", path, error)
