"""The page in a real browser, on a fake daemon that runs in a thread."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import live
from support.fake_daemon import ThreadedDaemon, threaded_daemon
from support.scene import play
from support.web_process import web_process

from hive.wire.agents import Said
from hive.wire.daemon import Notice
from hive.wire.messages import MessageState
from hive.wire.states import AgentState
from hive.wire.turns import Outcome, Text, ToolCall, TurnEnded, Usage

pytestmark = pytest.mark.usefixtures("page")

XSS = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"


def test_agents_and_their_states(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    daemon.call(play, daemon.daemon)
    tab.goto(site)
    live(tab)
    expect(tab.locator(".agent")).to_have_count(5)
    parked = tab.locator(".agent", has_text="worker-2")
    expect(parked.locator(".badge")).to_have_text("rate limited")
    expect(parked).to_contain_text("five-hour limit")
    local = time.strftime("%H:%M", time.localtime(daemon.daemon.agents[2].until))
    expect(parked).to_contain_text(f"until {local}")
    expect(parked).to_contain_text("2 queued, 1 held for you")
    expect(tab.locator(".demo")).to_have_text("Demo: a scripted model answers, no credentials")
    tab.locator(".tree > summary").click()
    expect(tab.locator(".tree")).to_contain_text("container")


def test_a_message_flows_live(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    tab.goto(site)
    live(tab)
    expect(tab.get_by_text("No messages yet")).to_be_visible()
    first = daemon.call(daemon.daemon.message, "manager", "worker-1", "count the bees")
    message = tab.locator(f"#m{first}")
    expect(message).to_contain_text("count the bees")
    expect(message.locator(".passage")).to_have_text("queued")
    for state in (MessageState.LEASED, MessageState.DONE):
        daemon.call(daemon.daemon.move, state, first)
        expect(message.locator(".passage")).to_have_text(state.value)
    second = daemon.call(daemon.daemon.message, "worker-1", "manager", "40,000", in_reply_to=first)
    expect(tab.locator(f"#m{second} a")).to_have_attribute("href", f"#m{first}")
    daemon.call(daemon.daemon.change, "worker-1", state=AgentState.FAILED, reason="no more bees")
    expect(tab.locator(".agent", has_text="worker-1")).to_contain_text("no more bees")


def test_what_an_agent_says_of_itself(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    daemon.call(daemon.daemon.change, "manager", says="plans")
    tab.goto(site)
    live(tab)
    says = tab.locator(".agent", has_text="manager").locator(".agent-says")
    expect(says).to_have_text("plans")
    daemon.call(daemon.daemon.publish, "manager", Said(XSS))
    expect(says).to_have_text(XSS)
    daemon.call(daemon.daemon.publish, "manager", Said(""))
    expect(says).to_have_count(0)


def test_a_broadcast_is_one_entry(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    first = daemon.call(
        daemon.daemon.message, "manager", "worker-1", "all hands", broadcast_id="b1"
    )
    daemon.call(daemon.daemon.move, MessageState.DONE, first)
    tab.goto(site)
    live(tab)
    message = tab.locator(".message")
    expect(message.locator(".message-parts li")).to_have_text(["worker-1 done"])
    more = {"broadcast_id": "b1"}
    second = daemon.call(daemon.daemon.message, "manager", "worker-2", "all hands", **more)
    third = daemon.call(daemon.daemon.message, "manager", "worker-3", "all hands", **more)
    daemon.call(daemon.daemon.message, "manager", "worker-3", "other", broadcast_id="b2")
    daemon.call(daemon.daemon.move, MessageState.DEAD, third, why="five attempts")
    expect(message).to_have_count(2)
    expect(message.first).to_contain_text("all agents")
    parts = message.first.locator(".message-parts li")
    expect(parts).to_have_text(["worker-1 done", "worker-2 queued", "worker-3 dead"])
    expect(message.first.locator(".why")).to_have_text("worker-3: five attempts")
    expect(tab.locator(f"#m{second}")).to_contain_text("worker-2")


def test_the_operator_sends_to_all(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    tab.goto(site)
    live(tab)
    tab.locator(".composer select").select_option("all agents")
    box = tab.get_by_label("Message", exact=True)
    box.fill("all hands")
    box.press("Control+Enter")
    expect(tab.locator(".composer .result")).to_have_text("sent to all agents as #1")
    assert daemon.daemon.sent[0].to == "*"


def test_an_agents_stream(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    daemon.call(daemon.daemon.publish, "worker-1", Text("t", "before the page was opened"))
    tab.goto(site)
    live(tab)
    tab.locator(".agent", has_text="worker-1").click()
    stream = tab.locator(".stream")
    expect(stream).to_contain_text("before the page was opened")
    usage = Usage(1000, 50, cost_usd=0.0123)
    daemon.call(
        daemon.daemon.publish,
        "worker-1",
        ToolCall("t", "c", "mcp__hive__send", '{"to": "manager", "body": "hello"}'),
        TurnEnded("t", Outcome.LIMITED, "five-hour limit", 3.2, usage),
    )
    daemon.call(daemon.daemon.publish, "manager", Text("t", "not worker-1's words"))
    for text in ("hive: send", "limited", "five-hour limit", "$0.0123"):
        expect(stream).to_contain_text(text)
    expect(stream).not_to_contain_text("not worker-1's words")
    tab.keyboard.press("Escape")
    expect(stream).to_have_count(0)


def test_text_of_agents_stays_text(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    daemon.call(daemon.daemon.message, "manager", "operator", XSS)
    daemon.call(daemon.daemon.change, "manager", reason=XSS)
    daemon.call(
        daemon.daemon.publish,
        "manager",
        Text("t", XSS),
        ToolCall("t", "c", XSS, XSS),
        Notice(XSS),
    )
    tab.goto(site)
    live(tab)
    tab.locator(".agent", has_text="manager").click()
    expect(tab.locator(".message .body")).to_have_text(XSS)
    expect(tab.locator(".stream .said")).to_have_text(XSS)
    expect(tab.locator(".agent-reason").first).to_contain_text(XSS)
    assert tab.locator("#app img:not(.logo), #app script").count() == 0
    assert tab.title() == "Hyperhive"


def test_sending(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    tab.goto(site)
    live(tab)
    box = tab.get_by_label("Message", exact=True)
    tab.locator(".composer select").select_option("worker-1")
    box.fill("dance\n")
    box.press("Control+Enter")
    expect(tab.locator(".composer .result")).to_have_text("sent to worker-1 as #1")
    expect(box).to_have_value("")
    expect(tab.locator("#m1")).to_contain_text("dance")
    sent = daemon.daemon.sent[0]
    assert (sent.to, sent.body, sent.in_reply_to) == ("worker-1", "dance\n", None)

    daemon.call(daemon.daemon.message, "manager", "operator", "shall I?")
    tab.locator("#m2").hover()
    tab.locator("#m2 .reply").click()
    box.fill("yes")
    tab.get_by_role("button", name="Send").click()
    expect(tab.locator(".composer .result")).to_have_text("sent to manager as #3")
    assert daemon.daemon.sent[1].in_reply_to == 2
    assert daemon.daemon.sent[0].key != daemon.daemon.sent[1].key


def test_what_is_typed_survives_errors_and_news(
    daemon: ThreadedDaemon, site: str, tab: Page
) -> None:
    tab.goto(site)
    live(tab)
    box = tab.get_by_label("Message", exact=True)
    box.press_sequentially("half a ")
    daemon.call(daemon.daemon.message, "manager", "worker-1", "meanwhile")
    daemon.call(daemon.daemon.change, "manager", state=AgentState.PARKED)
    expect(tab.locator(".agent", has_text="manager")).to_contain_text("parked")
    box.press_sequentially("thought")
    expect(box).to_have_value("half a thought")
    daemon.stop()
    box.press("Control+Enter")
    expect(tab.locator(".composer .result")).to_contain_text("not sent: the daemon is away")
    expect(box).to_have_value("half a thought")


def test_a_daemon_that_leaves_and_returns(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    daemon.call(daemon.daemon.message, "manager", "worker-1", "before")
    tab.goto(site)
    live(tab)
    daemon.stop()
    expect(tab.get_by_role("status").first).to_have_text("daemon away")
    expect(tab.locator("#m1")).to_contain_text("before")
    daemon.call(daemon.daemon.message, "worker-1", "manager", "meanwhile")
    daemon.start()
    live(tab)
    expect(tab.locator("#m2")).to_contain_text("meanwhile")
    expect(tab.locator(".message")).to_have_count(2)


def test_a_page_opened_without_a_daemon(folder: Path, browser: Browser, tab: Page) -> None:
    with web_process(folder / "web.sock") as web:
        tab.goto(web.url)
        expect(tab.get_by_role("status").first).to_have_text("daemon away")
        with threaded_daemon(folder / "web.sock"):
            live(tab)
            expect(tab.locator(".agent")).to_have_count(2)


def test_a_page_that_lagged_takes_a_new_snapshot(
    daemon: ThreadedDaemon, site: str, tab: Page
) -> None:
    tab.goto(site)
    live(tab)
    daemon.acall(daemon.daemon.lag)
    daemon.call(daemon.daemon.message, "manager", "worker-1", "after the gap")
    expect(tab.locator("#m1")).to_contain_text("after the gap")
    live(tab)


def test_a_web_process_that_is_restarted(daemon: ThreadedDaemon, tab: Page) -> None:
    with web_process(daemon.daemon.path) as web:
        tab.goto(web.url)
        live(tab)
        bind = web.url.removeprefix("http://").rstrip("/")
    expect(tab.get_by_role("status").first).to_have_text("offline")
    daemon.call(daemon.daemon.message, "manager", "worker-1", "while it was gone")
    with web_process(daemon.daemon.path, "--bind", bind):
        live(tab)
        expect(tab.locator("#m1")).to_contain_text("while it was gone")


def test_an_empty_hive_says_what_to_do(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    daemon.daemon.agents = ()
    tab.goto(site)
    expect(tab.locator(".agents")).to_contain_text("hive spawn manager --root /var/lib/hyperhive")
    expect(tab.get_by_role("button", name="Send")).to_be_disabled()


def test_memory_is_bounded(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    tab.goto(site)
    live(tab)
    tab.locator(".agent", has_text="manager").click()
    for number in range(30):
        events = [Text("t", f"{number}.{each}") for each in range(100)]
        daemon.call(daemon.daemon.publish, "manager", *events)
    expect(tab.locator(".stream .said").last).to_have_text("29.99")
    assert tab.locator(".stream .said").count() <= 400


def test_nothing_is_cut_off(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    daemon.call(play, daemon.daemon)
    for width in (800, 1280):
        tab.set_viewport_size({"width": width, "height": 700})
        tab.goto(site)
        live(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert tab.evaluate("document.documentElement.scrollHeight") == 700
        for part in (".side", ".composer textarea", ".primary", ".connection", ".demo"):
            box = tab.locator(part).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= 700
