"""`python -m hive.demo`: serve until stdin ends (the parent died) or SIGTERM or SIGINT comes."""

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import trio

from hive import logs
from hive.demo.script import Script
from hive.demo.server import serve
from hive.output import Output


async def _stdin_ended(scope: trio.CancelScope) -> None:
    """Cancel `scope` at the end of stdin; answer what comes with an empty line: the loop runs.

    Only waits for readiness: making stdin non-blocking would do so for a terminal's shell, too.
    """
    try:
        await trio.lowlevel.wait_readable(0)
        while os.read(0, 4096):
            print(flush=True)
            await trio.lowlevel.wait_readable(0)
    except OSError:  # /dev/null, a file, or closed: nothing to wait for
        print("hive.demo: stdin must be a pipe or a terminal that stays open", file=sys.stderr)
        await trio.lowlevel.checkpoint()
    scope.cancel()


async def _signalled(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    await anext(signals)
    scope.cancel()


def _write_port(path: Path, line: str) -> None:
    """In one step, so that a reader never sees half of it."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(line)
    draft.replace(path)


async def _run(port: int, port_file: Path | None, control: bool) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_signalled, signals, nursery.cancel_scope)
            nursery.start_soon(_stdin_ended, nursery.cancel_scope)
            bound = await nursery.start(partial(serve, Script(), port=port, control=control))
            line = json.dumps({"port": bound, "url": f"http://127.0.0.1:{bound}"})
            if port_file is not None:
                _write_port(port_file, line)
            Output(1)(line)


def main() -> int:
    """Run the server; returns 0 when asked to end, 1 when it cannot listen."""
    parser = argparse.ArgumentParser(prog="python -m hive.demo", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one (default)")
    parser.add_argument("--port-file", type=Path, help="file that gets the same line as stdout")
    parser.add_argument("--control", action="store_true", help="open /control/ for tests")
    arguments = parser.parse_args()
    logs.set_up("hive.demo: %(message)s", level=logging.WARNING)
    status = 0
    try:
        trio.run(_run, arguments.port, arguments.port_file, arguments.control)
    except* OSError as group:
        print(f"hive.demo: {group.exceptions[0]}", file=sys.stderr)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
