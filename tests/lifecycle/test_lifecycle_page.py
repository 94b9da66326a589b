"""`docs/lifecycle.md` lists the verbs of each state as the code does."""

import re
from pathlib import Path

import pytest
from attrs import evolve

from hive.approvals import ApprovalState
from hive.deployments import Deployment, DeploymentRequest, DeploymentState
from hive.lifecycle import AgentLife, Observed, Wanted, WantedState, verbs
from hive.wire.states import AgentState

PAGE = (Path(__file__).parents[2] / "docs/lifecycle.md").read_text("utf-8")
REQUEST = DeploymentRequest("worker", "b" * 40, "operator")


def rows(table: str) -> dict[str, str]:
    """The last cell of each row of a table by its first."""
    text = PAGE.partition(f"<!-- {table} -->")[2].partition(f"<!-- /{table} -->")[0]
    return dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", text, re.M))


def life(wanted: WantedState, state: DeploymentState) -> AgentLife:
    """An agent whose container is as it should be."""
    record = Deployment(REQUEST, "a" * 40, state, 0.0, 0.0)
    if state is DeploymentState.FAILED:
        record = evolve(record, previous=None)
    lives = wanted in (WantedState.RUNNING, WantedState.PAUSED)
    seen = Observed(AgentState.RUNNING if lives else AgentState.STOPPED, 0.0)
    has_record = wanted not in (WantedState.ABSENT, WantedState.DRAFT, WantedState.PURGED)
    return AgentLife(
        "worker", Wanted(wanted, "operator", 0.0), seen, record if has_record else None
    )


def test_the_verbs_of_each_wanted_state() -> None:
    expected = {
        str(state): ", ".join(verbs(life(state, DeploymentState.DEPLOYED))) for state in WantedState
    }
    assert rows("wanted") == expected


def test_the_verbs_of_each_state_of_a_deployment() -> None:
    expected = {
        str(state): ", ".join(verbs(life(WantedState.RUNNING, state))) for state in DeploymentState
    }
    assert rows("deployment") == expected


@pytest.mark.parametrize("states", [WantedState, DeploymentState])
def test_the_pictures_name_every_state(states: type[WantedState] | type[DeploymentState]) -> None:
    pictures = re.findall(r"```mermaid\n(.*?)```", PAGE, re.S)
    named = [set(re.findall(r"^    (?:\[\*\]|(\w+)) --> (\w+)", one, re.M)) for one in pictures]
    found = [{name for pair in one for name in pair if name} for one in named]
    assert {str(state) for state in states} in found


def test_every_state_of_an_approval_is_told() -> None:
    for state in ApprovalState:
        assert f"`{state}`" in PAGE.partition("## Approvals")[2]
