"""A hive worth looking at: what screenshots show."""

import json
import time

from support.fake_daemon import FakeDaemon

from hive.wire.agents import AgentStatus
from hive.wire.budgets import BudgetReached, BudgetStatus, Period, Unit
from hive.wire.gates import GateState, GateStatus
from hive.wire.messages import MessageState
from hive.wire.states import AgentState, Condition
from hive.wire.tree import TreeNode
from hive.wire.turns import Outcome, Text, ToolCall, ToolResult, TurnEnded, TurnStarted, Usage


def node(path: str, *children: TreeNode, kind: str = "worker", **more: object) -> TreeNode:
    return TreeNode(
        path,
        kind,
        more.pop("state", AgentState.RUNNING),  # type: ignore[arg-type]
        time.time() - 4000,
        last_tick_age_s=None if children else 1.4,
        children=children,
        **more,  # type: ignore[arg-type]
    )


def agent(name: str, state: AgentState = AgentState.RUNNING, **more: object) -> AgentStatus:
    facts: dict[str, object] = {"model": "claude-opus-4-7", "driver": "bubblewrap"}
    facts |= {"connected": True, "last_tick_age_s": 2.0}
    return AgentStatus(name, state, time.time() - 4000, **(facts | more))  # type: ignore[arg-type]


TREE = node(
    "hive",
    node("hive/store"),
    node("hive/events"),
    node("hive/broker"),
    node(
        "hive/agents",
        node(
            "hive/agents/manager",
            node("hive/agents/manager/socket"),
            node("hive/agents/manager/container", restarts=1),
            node("hive/agents/manager/serve"),
            kind="supervisor",
        ),
        node(
            "hive/agents/worker-1",
            node("hive/agents/worker-1/socket"),
            node("hive/agents/worker-1/container"),
            node("hive/agents/worker-1/serve"),
            kind="supervisor",
        ),
        node(
            "hive/agents/worker-2",
            kind="supervisor",
            state=AgentState.PARKED,
            reason="five-hour limit",
            until=time.time() + 5000,
        ),
        kind="dynamic",
    ),
    node("hive/control"),
    node("hive/web"),
    kind="supervisor",
)


def gates() -> tuple[GateStatus, ...]:
    """One that time opens, one that needs the operator, one that only warns."""
    now = time.time()
    limited = GateStatus(
        "default",
        "all",
        GateState.CLOSED,
        Condition.RATE_LIMITED,
        now - 60,
        until=now + 5000,
        reason="the five-hour limit is used up",
        source="worker-2",
        tries=1,
        waiting=4,
        queued=12,
    )
    return (
        limited,
        GateStatus(
            "team",
            "all",
            GateState.CLOSED,
            Condition.NEEDS_LOGIN,
            now - 600,
            reason="401: the token was refused",
            source="reviewer",
            waiting=1,
            queued=1,
        ),
        GateStatus("default", "opus", GateState.WARNED, Condition.ONLINE, now, until=now + 90000),
    )


def play(daemon: FakeDaemon, demo: bool = True) -> None:
    """Let a manager delegate to a worker and report, while two others wait for credentials."""
    from attrs import evolve

    daemon.status = evolve(daemon.status, tree=TREE, demo=demo, gates=gates())
    daemon.agents = (
        agent("manager", restarts=1),
        agent("worker-1", turn="t-8", leased=1),
        agent(
            "worker-2",
            AgentState.PARKED,
            reason="five-hour limit",
            until=time.time() + 5000,
            condition=Condition.RATE_LIMITED,
            queued=2,
            held=1,
        ),
        agent(
            "reviewer",
            reason="the token was refused",
            condition=Condition.NEEDS_LOGIN,
            credential="team",
            queued=1,
        ),
        agent("scribe", AgentState.BACKOFF, reason="exit status 1", until=time.time() + 40),
    )
    said = daemon.message(
        "operator",
        "manager",
        "Please find out why the nightly import takes twice as long since Monday, and tell me "
        "what you would change.",
    )
    daemon.publish("manager", TurnStarted("t-7", (said,), "5a1c"))
    daemon.publish(
        "manager",
        Text("t-7", "The import is worker-1's area. I ask it to profile a run and report numbers."),
    )
    asked = daemon.message(
        "manager",
        "worker-1",
        "Profile last night's import against the one of Sunday. Which step grew, and since which "
        "commit? Numbers please, no fix yet.",
        in_reply_to=said,
    )
    arguments = {"to": "worker-1", "body": "Profile last night's import against the one of Sunday."}
    daemon.publish(
        "manager",
        ToolCall("t-7", "c1", "mcp__hive__send", json.dumps(arguments)),
        ToolResult("t-7", "c1", False, f"sent as #{asked}"),
        TurnEnded("t-7", Outcome.COMPLETED, "", 6.4, Usage(1210, 342, 18400, 900, 0.0213)),
    )
    daemon.move(MessageState.DONE, said)
    daemon.publish("worker-1", TurnStarted("t-8", (asked,), "77be"))
    daemon.publish(
        "worker-1",
        Text("t-8", "I compare the two run logs first, then the commits between them."),
        ToolCall("t-8", "c2", "Bash", json.dumps({"command": "git log --oneline --since=sunday"})),
        ToolResult("t-8", "c2", False, "4f2a9c1 import: validate each row\n81d0c77 bump deps"),
        ToolCall("t-8", "c3", "Read", json.dumps({"file_path": "logs/import-0217.log"})),
        ToolResult("t-8", "c3", True, "no such file: logs/import-0217.log"),
    )
    daemon.move(MessageState.LEASED, asked)
    first = daemon.message(
        "worker-1",
        "manager",
        "First finding: the step `validate` went from 41 s to 212 s with 4f2a9c1, because every "
        "row opens its own connection.\n\n    before  41 s   1 connection\n    after  212 s   "
        "18,204 connections",
        in_reply_to=asked,
    )
    daemon.move(MessageState.DONE, first)
    daemon.message(
        "manager",
        "operator",
        "The import is slow since 4f2a9c1: row validation opens a connection per row. I would let "
        "worker-1 share one connection and add a timing test. Shall I?",
        in_reply_to=said,
    )
    budget = BudgetStatus("worker-1", Period.DAY, Unit.USD, 5.0, spent=4.02)
    daemon.publish("worker-1", BudgetReached(budget, 0.8))
    daemon.message("manager", "worker-2", "Draft the timing test for `validate`, please.")
