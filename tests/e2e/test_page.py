"""The page of a real hive in a real browser; HIVE_SCREENSHOT renews the README's picture."""

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect
from support.browser import chromium
from support.running import RunningHive, scrubbed


def test_screenshot_of_the_demo(make_hive: Callable[..., RunningHive], tmp_path: Path) -> None:
    hive = make_hive(scrubbed())
    hive.up("--demo")
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(f"{hive.url}/")
        expect(tab.locator(".demo")).to_contain_text("scripted model")
        expect(tab.locator(".message")).to_have_count(4, timeout=60_000)
        expect(tab.locator(".message").last).to_contain_text("worker-1 reports")
        tab.locator(".agent", has_text="worker-1").click()
        expect(tab.locator(".stream")).to_contain_text("Hello from worker-1")
        tab.get_by_label("To").select_option("worker-1")
        tab.get_by_placeholder("Write to an agent").fill("Do bees sleep?")
        tab.keyboard.press("Control+Enter")
        expect(tab.locator(".message").last).to_contain_text("You said: Do bees sleep?")
        expect(tab.locator(".stream")).to_contain_text("completed")
        tab.locator(".tree > summary").click()
        picture = Path(os.environ.get("HIVE_SCREENSHOT", tmp_path / "page.png"))
        tab.screenshot(path=picture)
        assert picture.stat().st_size > 20_000
