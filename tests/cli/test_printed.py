"""What is printed is for people, and nothing in it may drive their terminal."""

import time

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from hive.cli.agents import agents_table
from hive.cli.daemon import status_text
from hive.cli.events import event_line
from hive.cli.format import ago, cell, moment, safe
from hive.cli.gates import gate_line, gates_table
from hive.cli.messages import message_text
from hive.wire.agents import AgentStatus, StatusChanged
from hive.wire.approvals import ApprovalKind, ApprovalMoved, ApprovalOpened, ApprovalState
from hive.wire.budgets import BudgetReached, BudgetStatus, Period, Unit
from hive.wire.daemon import Status
from hive.wire.events import Event, LiveEvent
from hive.wire.gates import GateChanged, GateState, GateStatus
from hive.wire.messages import Message, MessageMoved, MessageState
from hive.wire.states import AgentState, Condition
from hive.wire.tree import TreeNode
from hive.wire.turns import Text

TODAY = time.mktime((*time.localtime()[:3], 12, 0, 0, 0, 0, -1))
GATE = GateStatus("default", "all", GateState.CLOSED, Condition.RATE_LIMITED, TODAY, waiting=1)
HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\u202emoc\x00\x9b31m"


@given(st.text())
def test_safe_leaves_no_control_character_but_breaks_and_tabs(text: str) -> None:
    assert all(c.isprintable() or c in "\n\t" for c in safe(text))


@given(st.text(), st.integers(1, 80))
def test_a_cell_is_one_line_of_the_width(text: str, width: int) -> None:
    line = cell(text, width)
    assert len(line) <= width and "\n" not in line and (line == "" or line.isprintable())


def test_hostile_text_is_shown_as_text_everywhere() -> None:
    message = Message(1, "a", "b", HOSTILE, 0.0)
    live = LiveEvent(1, 0.0, "a", Text("t", HOSTILE))
    status = AgentStatus("a", AgentState.PARKED, 0.0, reason=HOSTILE, model=HOSTILE, says=HOSTILE)
    gate = evolve(GATE, credential=HOSTILE, reason=HOSTILE * 500, source=HOSTILE, probe=HOSTILE)
    held = evolve(gate, state=GateState.HELD)
    hive = Status(
        1,
        HOSTILE,
        0,
        (status,),
        TreeNode("hive", "x", AgentState.RUNNING, 0.0),
        notices=(HOSTILE,),
        gates=(gate, held),
    )
    for shown in (
        message_text(message),
        event_line(live),
        event_line(LiveEvent(1, 0.0, None, GateChanged(gate))),
        agents_table([status]),
        gates_table([gate, held]),
        status_text(hive),
    ):
        assert all(c.isprintable() or c == "\n" for c in shown)
        assert max(map(len, shown.splitlines())) < 700


def test_ages() -> None:
    shown = [ago(seconds) for seconds in (None, 0.2, 5, 120, 7200, 200000)]
    assert shown == ["-", "now", "5s", "2m", "2h", "2d"]


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (GATE, "default: rate limited, 1 agent waits"),
        (evolve(GATE, waiting=0, queued=1), "default: rate limited, 1 message queued"),
        (evolve(GATE, condition=Condition.OVERLOADED), "default: overloaded, 1 agent waits"),
        (
            evolve(GATE, condition=Condition.NEEDS_LOGIN),
            "default: needs login, 1 agent waits, do: hive login --credential default",
        ),
        (
            evolve(GATE, credential="own:a", condition=Condition.NEEDS_LOGIN),
            "own:a: needs login, 1 agent waits, do: hive login a",
        ),
        (
            evolve(GATE, bucket="opus", condition=Condition.PARKED),
            "default/opus: parked, 1 agent waits, when repaired: hive gate probe default",
        ),
        (
            evolve(GATE, state=GateState.HELD),
            "default: held by the operator, 1 agent waits, go on with: hive gate release default",
        ),
        (
            evolve(GATE, state=GateState.PROBING, probe="b"),
            "default: rate limited, b tries, 1 agent waits",
        ),
        (
            evolve(GATE, state=GateState.PROBING, waiting=0),
            "default: rate limited, the next turn tries",
        ),
        (
            evolve(GATE, state=GateState.WARNED, condition=Condition.ONLINE, waiting=0),
            "default: near its limit",
        ),
        (
            evolve(GATE, state=GateState.OPEN, condition=Condition.ONLINE, waiting=0),
            "default: open",
        ),
    ],
)
def test_a_gate_on_one_line(gate: GateStatus, expected: str) -> None:
    assert gate_line(gate) == expected


def test_a_near_moment_has_seconds_and_another_day_its_date(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: TODAY)
    assert moment(TODAY + 3600) == "13:00"
    assert moment(TODAY + 8) == "12:00:08"
    assert moment(TODAY + 7 * 86400).endswith(":00")
    assert moment(TODAY + 7 * 86400).startswith("20")
    assert moment(1e300) == "1e+300"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (StatusChanged(AgentState.RUNNING, "idle"), "is running: idle"),
        (
            ApprovalOpened(3, ApprovalKind.CONFIGURATION, "b", "a" * 40, "why"),
            "approval 3 is open (configuration by b, commit aaaaaaaaaaaa): why",
        ),
        (ApprovalMoved(3, ApprovalState.DENIED, "no"), "approval 3 is denied: no"),
        (
            StatusChanged(AgentState.PARKED, "five hours", None, Condition.RATE_LIMITED, "spare"),
            "is rate_limited (spare): five hours",
        ),
        (GateChanged(evolve(GATE, reason="x")), "default: rate limited, 1 agent waits: x"),
        (
            BudgetReached(BudgetStatus("a", Period.DAY, Unit.USD, 5.0, spent=4.0), 0.8),
            "budget of a for the day is used to 80%: $4.00 of $5.00",
        ),
        (
            BudgetReached(BudgetStatus("hive", Period.TOTAL, Unit.TOKENS, 2e6, spent=2e6), 1.0),
            "budget of hive in total is used to 100%: 2,000,000 tokens of 2,000,000 tokens",
        ),
        (
            MessageMoved((3, 4), MessageState.HELD, "returned 5 times"),
            "message 3, 4 held: returned 5 times",
        ),
    ],
)
def test_events_of_limits(event: Event, expected: str) -> None:
    assert event_line(LiveEvent(7, TODAY, "w", event)).endswith(f"  w  {expected}")


@pytest.mark.parametrize(
    ("state", "condition", "shown"),
    [
        (AgentState.RUNNING, Condition.ONLINE, "running"),
        (AgentState.RUNNING, Condition.NEEDS_LOGIN, "needs_login"),
        (AgentState.PARKED, Condition.OVER_BUDGET, "over_budget"),
        (AgentState.STOPPED, Condition.OVERLOADED, "stopped/overloaded"),
    ],
)
def test_an_agents_state_says_whether_it_may_work(
    state: AgentState, condition: Condition, shown: str
) -> None:
    line = agents_table([AgentStatus("a", state, 0.0, condition=condition)]).splitlines()[1]
    assert line.split()[1] == shown
