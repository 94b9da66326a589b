"""What `hive status` and `hive agents` print: what waits for whom first."""

import time
from collections.abc import Sequence

from hive.cli.show.limits import gate_line
from hive.cli.show.supervised import tree
from hive.cli.show.text import ago, one_line, safe, table, why
from hive.wire.agents import AgentStatus
from hive.wire.daemon import Status
from hive.wire.logins import DEFAULT_CREDENTIAL
from hive.wire.states import AgentState, Condition


def status(whole: Status) -> str:
    """What `hive status` prints."""
    head = f"Hyperhive in {safe(whole.root)}" + (" (demo)" if whole.demo else "")
    first = [f"! {one_line(text, 300)}" for text in (*whole.notices, *map(gate_line, whole.gates))]
    return "\n".join([head, *first, "", agents(whole.agents), "", tree(whole.tree)])


def agents(statuses: Sequence[AgentStatus]) -> str:
    """One line for each agent: its state, or why it may not work; until when; what waits."""
    if not statuses:
        return "no agents yet: create one with `hive spawn NAME`"
    now = time.time()
    return table(
        (
            *("NAME", "STATE", "SINCE", "QUEUED", "LEASED", "HELD", "RESTARTS", "TICK", "MODEL"),
            *("WHY", "SAYS"),
        ),
        [
            (
                one.name,
                _state(one),
                ago(now - one.since),
                str(one.queued),
                str(one.leased),
                str(one.held),
                str(one.restarts),
                ago(one.last_tick_age_s),
                safe(one.model or "-"),
                _why(one),
                one_line(one.says, 120),
            )
            for one in statuses
        ],
    )


def _state(one: AgentStatus) -> str:
    """Whether it may work; both where its state is another reason not to."""
    if one.condition is Condition.ONLINE:
        return one.state.value
    if one.state in (AgentState.RUNNING, AgentState.PARKED):
        return one.condition.value
    return f"{one.state.value}/{one.condition.value}"


def _why(one: AgentStatus) -> str:
    because = why(one.reason, one.until) or ("in a turn" if one.turn else "")
    if one.condition is Condition.ONLINE or one.credential == DEFAULT_CREDENTIAL:
        return because
    return f"{because} (credential {one_line(one.credential)})".lstrip()
