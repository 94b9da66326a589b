"""The program `hive-harness`: one agent's harness, a small supervisor tree of its own.

`hive-harness wake …` is for the agent's own programs: see `harness.wake_command`.
"""

import argparse
import json
import linecache
import logging
import sys
from functools import partial
from pathlib import Path

from harness import wake_command
from hive.output import finish_output


def main() -> None:
    """Send the agent a message (`hive-harness wake …`), or run its harness."""
    if sys.argv[1:2] == ["wake"]:
        sys.exit(finish_output(wake_command.main(sys.argv[2:])))
    run()


def run() -> None:
    """Run one harness until it is told to stop (SIGTERM, or by the daemon); exit code 0 or 1."""
    import trio  # none of this is needed to wake somebody, and it takes most of the time

    from harness.app import run_harness
    from harness.state import HarnessOptions
    from hive import logs
    from hive.clock import LoopClock
    from hive.paths import AgentFolders

    parser = argparse.ArgumentParser(prog="hive-harness", description=__doc__)
    parser.add_argument("--name", required=True, help="the agent's name")
    parser.add_argument("--base", required=True, type=Path, help="its folder, e.g. /agents/NAME")
    parser.add_argument("--socket", required=True, type=Path, help="the daemon's socket for it")
    parser.add_argument(
        "--wrap", type=json.loads, default=[], help="JSON list: words that hide us from claude"
    )
    given = parser.parse_args()
    # To a file, which needs no thread to be written.
    logs.set_up("%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    options = HarnessOptions(given.name, AgentFolders(given.base), given.socket, tuple(given.wrap))
    linecache.clearcache()  # the source of what attrs has generated: half a MiB in each container
    sys.exit(trio.run(partial(run_harness, options), clock=LoopClock()))


if __name__ == "__main__":
    main()
