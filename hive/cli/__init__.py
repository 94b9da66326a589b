"""The command line: `hive …`. Its exit codes are in docs/cli.md."""

from hive.cli.commands import main

__all__ = ["main"]
