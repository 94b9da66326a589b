"""The program `hive-harness`: one agent's harness, a small supervisor tree of its own."""

import argparse
import json
import logging
import sys
from functools import partial
from pathlib import Path

import trio

from harness.app import run_harness
from harness.command import Folders
from harness.shared import Options


def main() -> None:
    """Run one harness until it is told to stop (SIGTERM, or by the daemon); exit code 0 or 1."""
    parser = argparse.ArgumentParser(prog="hive-harness", description=__doc__)
    parser.add_argument("--name", required=True, help="the agent's name")
    parser.add_argument("--base", required=True, type=Path, help="its folder, e.g. /agents/NAME")
    parser.add_argument("--socket", required=True, type=Path, help="the daemon's socket for it")
    parser.add_argument(
        "--wrap", type=json.loads, default=[], help="JSON list: words that hide us from claude"
    )
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options = Options(given.name, Folders(given.base), given.socket, tuple(given.wrap))
    sys.exit(trio.run(partial(run_harness, options)))


if __name__ == "__main__":
    main()
