"""`hive gate` and what `hive status` says of gates, on a fake daemon behind the real link."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner, Result
from support.fake_control import control

from hive.cli import main
from hive.cli.format import moment
from hive.link import LinkError
from hive.wire.agents import AgentStatus
from hive.wire.bodies import Body
from hive.wire.daemon import Done, GetStatus, Status
from hive.wire.gates import GateCommand, Gates, GateState, GateStatus, GetGates
from hive.wire.states import AgentState, Condition
from hive.wire.tree import TreeNode

NOW = time.time()
LIMITED = GateStatus(
    "default",
    "all",
    GateState.CLOSED,
    Condition.RATE_LIMITED,
    NOW,
    until=NOW + 7200,
    reason="five_hour limit",
    source="worker-1",
    waiting=4,
    queued=12,
)
OPUS = evolve(LIMITED, bucket="opus", state=GateState.OPEN, condition=Condition.ONLINE, until=None)
OTHER = evolve(OPUS, credential="spare", bucket="all")
AT = moment(NOW + 7200)


class Daemon:
    """Answers about these gates; a command changes what it names."""

    def __init__(self) -> None:
        self.gates = [LIMITED, OPUS, OTHER]

    def __call__(self, body: Body) -> Body:
        match body:
            case GetGates():
                return Gates(tuple(self.gates))
            case GateCommand(credential="nobody"):
                raise LinkError("bad_request", "no credential is called 'nobody': default, spare")
            case GateCommand(credential, action, bucket, reason, until):
                state = {"hold": GateState.HELD, "release": GateState.OPEN}.get(
                    action, GateState.PROBING
                )
                self.gates = [
                    evolve(one, state=state, until=until, reason=reason)
                    if one.credential == credential and bucket in (None, one.bucket)
                    else one
                    for one in self.gates
                ]
                return Done()
            case GetStatus():
                return Status(
                    1,
                    "/hive",
                    0,
                    (
                        AgentStatus(
                            "worker-1",
                            AgentState.RUNNING,
                            NOW,
                            reason="five_hour limit",
                            until=NOW + 7200,
                            condition=Condition.RATE_LIMITED,
                            credential="spare",
                            held=3,
                        ),
                    ),
                    TreeNode("hive", "supervisor", AgentState.RUNNING, NOW),
                    notices=("the disk is full",),
                    gates=(LIMITED,),
                )
        raise LinkError("unexpected", str(body))


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hive-cli-") as folder:
        yield Path(folder)


@pytest.fixture
def asked(root: Path) -> Iterator[list[Body]]:
    with control(root, Daemon()) as asked:
        yield asked


@pytest.fixture
def hive(root: Path, asked: list[Body]) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--root", str(root)])

    return run


def test_gates_as_a_table(hive: Callable[..., Result]) -> None:
    lines = hive("gate").output.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        ["default", "all"],
        ["default", "opus"],
        ["spare", "all"],
    ]
    for shown in (f"rate limited until {AT}", "  4 ", "  12 ", "worker-1", "five_hour limit"):
        assert shown in lines[1]


def test_gates_as_json_have_every_field(hive: Callable[..., Result]) -> None:
    shown = json.loads(hive("gate", "--json").output)
    assert shown[0]["until"] == LIMITED.until
    assert set(shown[0]) == set(GateStatus.__annotations__)


def test_hold_says_until_when_and_whom(hive: Callable[..., Result], asked: list[Body]) -> None:
    before = time.time()
    result = hive("gate", "hold", "--for", "2h", "--bucket", "all", "--reason", "lunch")
    assert result.exit_code == 0
    command = asked[0]
    assert isinstance(command, GateCommand)
    assert evolve(command, until=None) == GateCommand("default", "hold", "all", "lunch")
    assert command.until is not None and before + 7200 <= command.until <= time.time() + 7200
    assert result.output.startswith("default: held by the operator until ")
    assert "4 agents wait, 12 messages queued" in result.output
    assert len(result.output.splitlines()) == 1


def test_release_and_probe_say_what_is_so_now(
    hive: Callable[..., Result], asked: list[Body]
) -> None:
    assert hive("gate", "release", "spare").output == "spare: open, 4 agents wait, " + (
        "12 messages queued\n"
    )
    probed = hive("gate", "probe").output.splitlines()
    assert [line.split(",")[0] for line in probed] == [
        "default: rate limited",
        "default/opus: online",
    ]
    assert [body for body in asked if isinstance(body, GateCommand)] == [
        GateCommand("spare", "release"),
        GateCommand("default", "probe"),
    ]


def test_a_refusal_is_a_line_and_exit_code_1(hive: Callable[..., Result]) -> None:
    result = hive("gate", "hold", "nobody")
    assert (result.exit_code, result.stderr) == (
        1,
        "hive: no credential is called 'nobody': default, spare\n",
    )


def test_options_in_front_of_the_word_are_refused(root: Path) -> None:
    for option in (["--root", str(root)], ["--json"]):
        result = CliRunner().invoke(main, ["gate", *option, "release"])
        assert result.exit_code == 2 and "behind the word" in result.output


def test_without_a_daemon_the_exit_code_is_3(root: Path) -> None:
    assert CliRunner().invoke(main, ["gate", "--root", str(root)]).exit_code == 3


def test_status_begins_with_what_waits(hive: Callable[..., Result]) -> None:
    _, notice, gate, _, header, agent, *_ = hive("status").output.splitlines()
    assert gate == f"! default: rate limited until {AT}, 4 agents wait, 12 messages queued"
    assert notice == "! the disk is full"
    cells = dict(zip(header.split(), agent.split(), strict=False))
    assert (cells["STATE"], cells["HELD"]) == ("rate_limited", "3")
    assert agent.endswith("(credential spare)")


def test_status_as_json_has_every_field(hive: Callable[..., Result]) -> None:
    shown = json.loads(hive("status", "--json").output)
    assert shown["gates"][0]["queued"] == 12
    assert (shown["agents"][0]["condition"], shown["agents"][0]["held"]) == ("rate_limited", 3)
