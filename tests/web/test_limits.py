"""What the page shows of limits, logins and budgets, in a real browser."""

import threading
import time

import pytest
from attrs import evolve
from playwright.sync_api import Locator, Page, expect
from support.browser import live
from support.fake_daemon import FakeDaemon, ThreadedDaemon
from support.scene import play

from hive.cli.gates import gate_line
from hive.wire.agents import StatusChanged
from hive.wire.budgets import BudgetReached, BudgetStatus, Period, Unit
from hive.wire.gates import GateChanged, GateState, GateStatus
from hive.wire.messages import MessageState
from hive.wire.states import AgentState, Condition

pytestmark = pytest.mark.usefixtures("page")

LIMITED = GateStatus(
    "default",
    "all",
    GateState.CLOSED,
    Condition.RATE_LIMITED,
    time.time(),
    until=time.time() + 3 * 86400,
    waiting=4,
    queued=12,
)
OPEN = evolve(LIMITED, state=GateState.OPEN, condition=Condition.ONLINE, until=None)
HOSTILE = "<img src=x onerror=\"document.title='pwned'\"> \x1b[2J\x00\u202e\u2066 " + "x" * 10_000


def banners(tab: Page) -> Locator:
    return tab.locator(".gate")


def freeze_status(daemon: FakeDaemon) -> None:
    """From now on the status is as old as it is now: only events bring news."""
    old = daemon.status_now()
    daemon.status_now = lambda: old  # type: ignore[method-assign]


def words(banner: Locator) -> str:
    """The first line without the count-down."""
    text: str = banner.locator(".gate-line").evaluate(
        "p => { const copy = p.cloneNode(true);"
        " copy.querySelectorAll('.left').forEach((e) => e.remove()); return copy.textContent }"
    )
    return text


def test_a_banner_comes_changes_and_goes(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    tab.goto(site)
    live(tab)
    expect(banners(tab)).to_have_count(0)
    daemon.call(freeze_status, daemon.daemon)
    daemon.call(daemon.daemon.publish, None, GateChanged(LIMITED))
    expect(banners(tab)).to_have_count(1)
    expect(banners(tab)).to_contain_text("rate limited until")
    expect(banners(tab)).to_contain_text("— 4 agents wait, 12 messages queued")
    expect(banners(tab)).to_contain_text("credential default")
    spare = evolve(LIMITED, credential="spare", condition=Condition.OVERLOADED, waiting=1, queued=1)
    daemon.call(daemon.daemon.publish, None, GateChanged(spare))
    expect(banners(tab)).to_have_count(2)
    expect(banners(tab).nth(1)).to_contain_text("— 1 agent waits, 1 message queued")
    probing = evolve(LIMITED, state=GateState.PROBING, probe="worker-1", waiting=3)
    daemon.call(daemon.daemon.publish, None, GateChanged(probing))
    expect(banners(tab).first).to_contain_text("rate limited, worker-1 tries — 3 agents wait")
    daemon.call(daemon.daemon.publish, None, GateChanged(OPEN))
    expect(banners(tab)).to_have_count(1)
    daemon.call(daemon.daemon.publish, None, GateChanged(evolve(spare, state=GateState.OPEN)))
    expect(banners(tab)).to_have_count(0)


def test_gates_of_a_snapshot_are_there_and_a_newer_status_wins(
    daemon: ThreadedDaemon, site: str, tab: Page
) -> None:
    fake = daemon.daemon
    fake.status = evolve(fake.status, gates=(LIMITED,), notices=("the disk is full",))
    tab.goto(site)
    live(tab)
    expect(banners(tab)).to_contain_text("12 messages queued")
    expect(tab.locator(".notice")).to_have_text("the disk is full")

    def more() -> None:
        fake.status = evolve(fake.status, gates=(evolve(LIMITED, queued=13),))

    daemon.call(more)
    expect(banners(tab)).to_contain_text("13 messages queued")

    def none() -> None:
        fake.publish(None, GateChanged(LIMITED))
        fake.status = evolve(fake.status, gates=())

    daemon.call(none)
    expect(banners(tab)).to_have_count(0)


def test_the_banner_says_the_same_as_the_command_line(
    daemon: ThreadedDaemon, site: str, tab: Page
) -> None:
    """Two languages, one wording."""
    kinds = [
        *(evolve(LIMITED, condition=each) for each in Condition if each is not Condition.ONLINE),
        *(
            evolve(LIMITED, state=each, until=LIMITED.until and LIMITED.until - 60 * number)
            for number, each in enumerate(GateState)
            if each is not GateState.OPEN
        ),
        evolve(LIMITED, until=None, waiting=1, queued=0),
        evolve(LIMITED, state=GateState.PROBING, waiting=0, queued=1),
    ]
    named = [evolve(gate, credential=f"c-{chr(97 + at)}") for at, gate in enumerate(kinds)]
    daemon.daemon.status = evolve(daemon.daemon.status, gates=tuple(named))
    tab.goto(site)
    live(tab)
    expect(banners(tab)).to_have_count(len(named))
    for gate in named:
        banner = banners(tab).filter(has_text=f"credential {gate.credential}")
        line = gate_line(gate)
        todo = banner.locator("code")
        if "hive " in line:
            line, _, command = line.rpartition(", ")
            command = command[command.index("hive ") :]
            expect(todo).to_have_text(f"{command} --root /var/lib/hyperhive")
        else:
            expect(todo).to_have_count(0)
        if gate.until is not None:  # the date is written as the browser's user likes it
            date = time.strftime("%Y-%m-%d ", time.localtime(gate.until))
            line = line.replace(date, "")
        shown = words(banner).replace(" — ", ", ")
        at = time.strftime("%H:%M", time.localtime(gate.until))
        for part in line.removeprefix(f"{gate.credential}: ").split(at):
            assert part in shown
            shown = shown[shown.index(part) + len(part) :]
        assert shown == ""


def test_what_to_do_about_a_login(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    login = evolve(LIMITED, condition=Condition.NEEDS_LOGIN, until=None)
    own = evolve(login, credential="own:worker-1")
    daemon.daemon.status = evolve(daemon.daemon.status, gates=(login, own))
    tab.goto(site)
    alerts = tab.get_by_role("alert")
    expect(alerts.locator("code").first).to_contain_text("hive login --credential default --root")
    expect(alerts.locator("code").last).to_contain_text("hive login worker-1 --root")


def test_the_count_down_runs_and_nothing_else_is_touched(
    daemon: ThreadedDaemon, site: str, tab: Page
) -> None:
    until = time.time() + 60
    daemon.daemon.status = evolve(daemon.daemon.status, gates=(evolve(LIMITED, until=until),))
    tab.goto(site)
    live(tab)
    daemon.stop()  # no news from there
    expect(tab.get_by_role("status").first).to_have_text("daemon away")
    left = banners(tab).locator(".left")
    expect(left).to_have_attribute("aria-hidden", "true")
    before = left.inner_text()
    assert before.startswith("in 5")
    tab.evaluate("document.querySelector('.gate').marked = true")
    expect(left).not_to_have_text(before)
    assert tab.evaluate("document.querySelector('.gate').marked")


def test_a_red_badge_for_who_may_not_work(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    tab.goto(site)
    live(tab)
    daemon.call(freeze_status, daemon.daemon)
    badge = tab.locator(".agent", has_text="worker-1").locator(".badge")
    expect(badge).to_have_text("running")
    plain = badge.evaluate("e => getComputedStyle(e).backgroundColor")
    for condition in Condition:
        changed = StatusChanged(AgentState.RUNNING, "why", None, condition, "spare")
        daemon.call(daemon.daemon.publish, "worker-1", changed)
        if condition is Condition.ONLINE:
            expect(badge).to_have_text("running")
            continue
        expect(badge).to_have_text(condition.value.replace("_", " "))
        expect(badge).to_have_class("badge is-alarm")
        assert badge.evaluate("e => getComputedStyle(e).backgroundColor") != plain
        expect(tab.locator(".agent", has_text="worker-1")).to_contain_text("credential spare")
    stopped = StatusChanged(AgentState.STOPPED, None, None, Condition.OVER_BUDGET)
    daemon.call(daemon.daemon.publish, "worker-1", stopped)
    expect(badge).to_have_text(["over budget", "stopped"])
    back = StatusChanged(AgentState.RUNNING)
    daemon.call(daemon.daemon.publish, "worker-1", back)
    expect(badge).to_have_text(["running"])


def test_budgets_and_held_messages_in_the_flow(
    daemon: ThreadedDaemon, site: str, tab: Page
) -> None:
    fake = daemon.daemon
    budget = BudgetStatus("hive", Period.DAY, Unit.USD, 5.0, spent=4.02)
    daemon.call(fake.publish, None, BudgetReached(budget, 0.8))
    tab.goto(site)
    live(tab)
    tokens = BudgetStatus("manager", Period.TOTAL, Unit.TOKENS, 2e6, spent=2e6)
    daemon.call(fake.publish, "manager", BudgetReached(tokens, 1.0))
    notices = tab.locator(".flow-notice")
    expect(notices.first).to_contain_text(
        "The budget of hive for the day is used to 80 %: $4.02 of $5.00"
    )
    expect(notices.last).to_contain_text(
        "The budget of manager in total is used to 100 %: 2000k tokens of 2000k tokens"
    )
    message = daemon.call(fake.message, "manager", "worker-1", "count the bees")
    daemon.call(fake.move, MessageState.HELD, message, why="returned 5 times")
    expect(tab.locator(f"#m{message}")).to_contain_text("held")
    expect(tab.locator(f"#m{message} .why")).to_have_text("returned 5 times")


def test_a_hostile_reason_does_no_harm(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    bad = evolve(
        LIMITED,
        credential="default",
        condition=Condition.PARKED,
        reason=HOSTILE,
        source=HOSTILE,
        bucket=HOSTILE,
    )
    probing = evolve(bad, state=GateState.PROBING, probe=HOSTILE)
    fake = daemon.daemon
    fake.status = evolve(fake.status, gates=(bad, evolve(probing, credential=HOSTILE)))
    fake.change("manager", condition=Condition.PARKED, reason=HOSTILE, credential=HOSTILE)
    for width in (380, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(site)
        live(tab)
        expect(banners(tab)).to_have_count(2)
        expect(banners(tab).first).to_contain_text("<img src=x")
        assert all(len(text) < 2000 for text in banners(tab).all_text_contents())
        assert tab.locator("#app img:not(.logo)").count() == 0
        assert tab.title() == "Hyperhive"
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        box = tab.locator(".gates").bounding_box()
        assert box is not None and box["height"] <= 800 * 0.45
        tab.locator(".composer textarea").scroll_into_view_if_needed()
        expect(tab.locator(".composer textarea")).to_be_in_viewport()


def test_typing_is_not_disturbed_by_a_storm(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    tab.goto(site)
    live(tab)
    box = tab.get_by_label("Message", exact=True)
    box.click()
    box.evaluate("e => (e.marked = true)")
    calm = threading.Event()

    def storm() -> None:
        number = 0
        while not calm.wait(0.005):
            number += 1
            gate = LIMITED if number % 2 else OPEN
            credential = f"c-{number // 2 % 3}"
            changed = GateChanged(evolve(gate, credential=credential, queued=number))
            daemon.call(daemon.daemon.publish, None, changed)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        expect(banners(tab).first).to_be_visible()
        box.press_sequentially("half a thought, ", delay=30)
        box.press_sequentially("then the rest", delay=30)
    finally:
        calm.set()
        thread.join(5)
    expect(box).to_have_value("half a thought, then the rest")
    expect(box).to_be_focused()
    assert box.evaluate("e => e.marked && e.selectionStart") == len("half a thought, then the rest")


def test_the_scene_fits_every_width(daemon: ThreadedDaemon, site: str, tab: Page) -> None:
    daemon.call(play, daemon.daemon)
    for width in (380, 800, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(site)
        live(tab)
        expect(banners(tab)).to_have_count(3)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
