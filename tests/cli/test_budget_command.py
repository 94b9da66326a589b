"""`hive budget` against a daemon that answers over the real link."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
import trio
from click.testing import CliRunner, Result

from hive.cli import main
from hive.link import Credentials, LinkError, Peer, Session, serve
from hive.paths import Paths
from hive.wire.bodies import Body, OperatorBody
from hive.wire.budgets import Budgets, BudgetStatus, GetBudgets, Period, SetBudget, Spent, Unit
from hive.wire.daemon import Done
from hive.wire.frames import Hello
from hive.wire.turns import Usage


class Daemon(Session):
    """Knows the agent `ann`, and remembers what it was told."""

    requests = OperatorBody

    def __init__(self) -> None:
        self.orders: list[SetBudget] = []
        self.budgets = Budgets(())

    async def handle(self, peer: Peer, body: Body) -> Body:
        match body:
            case GetBudgets():
                return self.budgets
            case SetBudget(scope) if scope in ("hive", "ann"):
                self.orders.append(body)
                return Done()
        raise LinkError("bad_request", "there is no agent \x1b[2J")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Paths(tmp_path).control.parent.mkdir(parents=True)
    return tmp_path


@pytest.fixture
def daemon(root: Path) -> Iterator[Daemon]:
    session, up, down = Daemon(), threading.Event(), trio.Event()
    token: list[trio.lowlevel.TrioToken] = []

    async def accept(hello: Hello, _: Credentials) -> Session:
        return session

    async def listen() -> None:
        token.append(trio.lowlevel.current_trio_token())
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, Paths(root).control, accept)
            up.set()
            await down.wait()
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(listen,))
    thread.start()
    assert up.wait(5)
    yield session
    trio.from_thread.run_sync(down.set, trio_token=token[0])
    thread.join(5)


@pytest.fixture
def hive(root: Path) -> Callable[[str], Result]:
    """Run a command line."""
    return lambda line: CliRunner().invoke(main, [*line.split(), "--root", str(root)])


@pytest.mark.parametrize(
    ("line", "order", "answer"),
    [
        (
            "hive --per day --tokens 2M",
            SetBudget("hive", Period.DAY, Unit.TOKENS, 2e6),
            "hive may use 2,000,000 tokens per day\n",
        ),
        (
            "ann --per total --tokens 1.5k --reserve 500",
            SetBudget("ann", Period.TOTAL, Unit.TOKENS, 1500.0, 500.0),
            "ann may use 1,500 tokens in total, and 500 tokens more for urgent messages\n",
        ),
        (
            "ann --per day --usd $12.50 --reserve 1",
            SetBudget("ann", Period.DAY, Unit.USD, 12.5, 1.0),
            "ann may use $12.50 per day, and $1.00 more for urgent messages\n",
        ),
    ],
)
def test_set(
    daemon: Daemon, hive: Callable[[str], Result], line: str, order: SetBudget, answer: str
) -> None:
    result = hive(f"budget set {line}")
    assert (result.exit_code, result.output) == (0, answer)
    assert daemon.orders == [order]


def test_clear(daemon: Daemon, hive: Callable[[str], Result]) -> None:
    result = hive("budget clear ann --per total --usd")
    assert (result.exit_code, result.output) == (0, "ann has no budget in usd in total any more\n")
    assert daemon.orders == [SetBudget("ann", Period.TOTAL, Unit.USD, None)]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("set ann --per day", "one of --tokens and --usd"),
        ("set ann --per day --tokens 1 --usd 1", "one of --tokens and --usd"),
        ("clear ann --per day", "one of --tokens and --usd"),
        ("set ann --per week --usd 1", "'day', 'total'"),
        ("set ann --usd 1", "--per"),
        ("set ann --per day --usd much", "'much' is no amount: write 500k"),
        ("set ann --per day --usd nan", "is no amount"),
        ("set ann --per day --usd -1", "is no amount"),
        ("set ann --per day --tokens 1e9", "is no amount"),
    ],
)
def test_wrong_usage_asks_nobody(hive: Callable[[str], Result], line: str, text: str) -> None:
    result = hive(f"budget {line}")
    assert result.exit_code == 2
    assert text in result.output


def test_an_option_at_the_wrong_place_is_not_ignored(hive: Callable[[str], Result]) -> None:
    """Another hive than the one that was meant would get the budget."""
    for option in ("--root /somewhere", "--json"):
        result = hive(f"budget {option} set ann --per day --usd 1")
        assert result.exit_code == 2
        assert "options go behind 'set'" in result.output


def test_a_refusal_is_said(daemon: Daemon, hive: Callable[[str], Result]) -> None:
    result = hive("budget set eve --per day --usd 1")
    assert result.exit_code == 1
    assert result.output == "hive: there is no agent \\x1b[2J\n"


def test_no_daemon(hive: Callable[[str], Result]) -> None:
    assert hive("budget").exit_code == 3


def test_show(daemon: Daemon, hive: Callable[[str], Result]) -> None:
    result = hive("budget")
    assert result.exit_code == 0
    assert "no budgets: set one" in result.output
    assert "nobody has used anything today" in result.output
    daemon.budgets = Budgets(
        (
            BudgetStatus("hive", Period.TOTAL, Unit.TOKENS, 2e6, 0.0, 1_999_999.0),
            BudgetStatus("ann", Period.DAY, Unit.USD, 5.0, 1.0, 4.1, 1_000_000_000.0),
        ),
        (Spent("ann", 0.0, 3, Usage(1000, 200, 30, 4, 4.1)),),
    )
    lines = [line.split() for line in hive("budget").output.splitlines()]
    assert lines[0] == ["BUDGET", "PER", "SPENT", "OF", "USED", "RESERVE", "ANEW"]
    assert lines[1][-3:] == ["99%", "-", "-"]  # not 100 %: nobody waits yet
    assert lines[2][:6] == ["ann", "day", "$4.10", "$5.00", "82%", "$1.00"]
    assert lines[2][6].startswith("2001-09-")
    assert lines[4] == ["TODAY", "(UTC)", "TURNS", "TOKENS", "DOLLARS"]
    assert lines[5:] == [["ann", "3", "1,234", "$4.10"]]
    shown = orjson.loads(hive("budget --json").output)
    assert shown["budgets"][1] == {
        "scope": "ann",
        "period": "day",
        "unit": "usd",
        "amount": 5.0,
        "reserve": 1.0,
        "spent": 4.1,
        "until": 1_000_000_000.0,
    }
    assert shown["spent"][0]["usage"]["cost_usd"] == 4.1
