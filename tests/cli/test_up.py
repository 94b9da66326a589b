"""The commands that start the hive's processes."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hive.cli.up import web


@pytest.mark.parametrize(
    ("bind", "handed_on"),
    [
        ("[::1]:8080", "[::1]:8080"),
        ("127.0.0.2:1", "127.0.0.2:1"),
        ("localhost:0", "127.0.0.1:0"),
    ],
)
def test_the_page_is_given_the_address_as_it_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bind: str, handed_on: str
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, argv: ran.append(argv))
    done = CliRunner().invoke(web, ["--root", str(tmp_path), "--bind", bind])
    assert done.exit_code == 0, done.output
    socket = str(tmp_path / "run" / "web.sock")
    assert ran == [[sys.executable, "-m", "web", "--socket", socket, "--bind", handed_on]]


@pytest.mark.parametrize("bind", ["0.0.0.0:80", "[::]:80", "::1:80", "127.0.0.1", "127.0.0.1:x"])
def test_any_other_address_is_refused(tmp_path: Path, bind: str) -> None:
    done = CliRunner().invoke(web, ["--root", str(tmp_path), "--bind", bind])
    assert done.exit_code == 2 and "127.0.0.1" in done.output
