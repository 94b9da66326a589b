"""From the sender's call to the wake prompt on the warm CLI's standard input, 20 agents idle."""

from collections.abc import Callable

import trio
from bench.figures import Book
from bench.operator_link import OperatorLink, operator_link
from bench.stub import stub_times
from support.running import RunningHive

AGENTS = 20
SENDS = 200
RELAYS = 100
PAUSE_S = 0.05
PART = f"Wake, {AGENTS} agents idle, stub CLI in bubblewrap"


async def test_wake(stub_hive: Callable[[], RunningHive], book: Book) -> None:
    hive = stub_hive()
    async with operator_link(hive) as operator:
        names = await operator.populate(AGENTS)
        for name in names:
            await operator.turn(name, "warm up")
        await _sends(hive, operator, names, book)
        await _relays(hive, operator, names, book)


async def _sends(
    hive: RunningHive, operator: OperatorLink, names: tuple[str, ...], book: Book
) -> None:
    """The operator sends to one idle agent after the other."""
    sent = []
    for number in range(SENDS):
        await trio.sleep(PAUSE_S)
        sent.append(await operator.turn(names[number % AGENTS], "wake up"))
    times = stub_times(hive.root)

    def woken(number: int) -> float:
        return times["woken", number]

    book.times(PART, "call to id (durable)", [one.answered - one.called for one, _ in sent])
    book.times(
        PART, "call to prompt, operator", [woken(s.id) - s.called for s, _ in sent], p50=5, p99=20
    )
    book.times(PART, "result to acknowledged", [done - times["answered", s.id] for s, done in sent])


async def _relays(
    hive: RunningHive, operator: OperatorLink, names: tuple[str, ...], book: Book
) -> None:
    """One idle agent sends to another with its tool, in a turn of its own."""
    relayed = []
    for number in range(RELAYS):
        await trio.sleep(PAUSE_S)
        target = names[(number + 1) % AGENTS]
        order, _ = await operator.turn(names[number % AGENTS], f"relay {target}")
        relayed.append(order.id + 1)  # nobody else sends
        await operator.wait_done(relayed[-1])
    times = stub_times(hive.root)
    waits = [times["woken", number] - times["called", number] for number in relayed]
    book.times(PART, "tool call to prompt, agent to agent", waits, p50=5, p99=20)
