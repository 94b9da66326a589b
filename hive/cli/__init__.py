"""The command line: `hive …`. Exit codes: 0 ok, 1 failed, 2 usage, 3 no daemon."""

from hive.cli.commands import main

__all__ = ["main"]
