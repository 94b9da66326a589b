"""What the web tests share: a short path for sockets and the page's bundle."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.web_process import build_page


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hive-web-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def page() -> None:
    """The bundle is there."""
    build_page()
