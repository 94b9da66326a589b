"""What the web tests share: a short path for sockets and the page's bundle."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from support.browser import chromium
from support.fake_daemon import ThreadedDaemon, threaded_daemon
from support.web_process import build_page, web_process


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hive-web-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def page() -> None:
    """The bundle is there."""
    build_page()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def daemon(folder: Path) -> Iterator[ThreadedDaemon]:
    with threaded_daemon(folder / "web.sock") as daemon:
        yield daemon


@pytest.fixture
def site(daemon: ThreadedDaemon) -> Iterator[str]:
    with web_process(daemon.daemon.path) as web:
        yield web.url


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A tab of 1280 x 800 in which no script may fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    tab = context.new_page()
    tab.set_default_timeout(8000)
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on(
        "console",
        lambda said: faults.append(said.text) if "Content Security" in said.text else None,
    )
    yield tab
    context.close()
    assert faults == []
