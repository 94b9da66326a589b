"""Files of agents: `hive ls` and `hive cat`."""

import codecs
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from hive.cli.ask import ask
from hive.cli.errors import CommandFailed
from hive.cli.format import clock, safe, table
from hive.cli.options import json_option, print_json, root_option, text_argument
from hive.text import escaped
from hive.wire.codec import jsonable
from hive.wire.files import FileEntry, FileList, FilePart, ListFiles, ReadFile
from hive.wire.names import check_name


class AgentPath(click.ParamType[tuple[str, str]]):
    """A path among the files of an agent: `NAME:PATH`; with `NAME` alone the path is empty."""

    name = "NAME:PATH"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, _, path = str(value).partition(":")
        try:
            return check_name(name), text_argument(f":{path}")[1:]
        except ValueError as error:
            self.fail(str(error), param, ctx)


AGENT_PATH = AgentPath()


@click.command("ls")
@click.argument("where", type=AGENT_PATH, metavar="NAME[:PATH]")
@root_option
@json_option
def list_files(where: tuple[str, str], root: Path, as_json: bool) -> None:
    """List the files of NAME, in its working folder or at PATH in it."""
    found = cast(FileList, ask(root, ListFiles(*where)))
    if as_json:
        print_json(jsonable(found))
        return
    click.echo(table(_HEADER, map(_row, found.entries)) if found.entries else "no files")
    if found.more:
        click.echo(f"(only the first {len(found.entries)} are listed, there are more)")


@click.command()
@click.argument("where", type=AGENT_PATH, metavar="NAME:PATH")
@root_option
def cat(where: tuple[str, str], root: Path) -> None:
    """Show a file of NAME: escaped on a terminal, else its bytes as they are."""
    name, path = where
    if not path:
        raise click.UsageError(f"name the file as {name}:PATH; `hive ls {name}` lists them")
    if not sys.stdout.isatty():
        for data in _parts(root, name, path):
            click.echo(data, nl=False)
        return
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for data in _parts(root, name, path):
        click.echo(safe(decoder.decode(data)), nl=False)
    click.echo(safe(decoder.decode(b"", final=True)), nl=False)


_HEADER = ("KIND", "SIZE", "CHANGED", "UID", "NAME")


def _row(one: FileEntry) -> tuple[str, ...]:
    return one.kind.value, str(one.size), clock(one.mtime), str(one.uid), escaped(one.name)


def _parts(root: Path, name: str, path: str) -> Iterator[bytes]:
    """The bytes of the file, up to the size that it had first; raises CommandFailed."""
    first = part = cast(FilePart, ask(root, ReadFile(name, path)))
    done = 0
    while data := part.data[: first.size - done]:
        yield data
        done += len(data)
        if done >= first.size:
            return
        part = cast(FilePart, ask(root, ReadFile(name, path, done)))
        if part.file != first.file:
            raise CommandFailed(f"{name}:{path} was replaced while it was read: try again")


COMMANDS = (list_files, cat)
