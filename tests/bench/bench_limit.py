"""From the CLI's rejected event until the operator sees all ten agents of the credential parked."""

from collections.abc import Callable

import trio
from bench.figures import Book
from bench.operator_link import OperatorLink, operator_link
from bench.stub import stub_times
from support.running import RunningHive

from hive.wire.states import Condition

AGENTS = 10
ROUNDS = 20
LIMIT_S = 1
PART = f"Limit, {AGENTS} agents of one credential, stub CLI in bubblewrap"


async def test_limit(stub_hive: Callable[..., RunningHive], book: Book) -> None:
    hive = stub_hive("[gate]\nmargin_s = 0.1\nspacing_s = 0.05\n")
    async with operator_link(hive) as operator:
        names = await operator.populate(AGENTS)
        parked = [
            await _round(operator, names, names[number % AGENTS], number)
            for number in range(ROUNDS)
        ]
    times = stub_times(hive.root)
    waits = [max(seen) - times["rejected", number] for number, seen in parked]
    book.times(PART, "rejected event to the last of all shown", waits, p50=100, p99=None)


async def _round(
    operator: OperatorLink, names: tuple[str, ...], first: str, number: int
) -> tuple[int, list[float]]:
    """One agent runs into a limit; the message, and when each agent was seen to wait."""
    operator.seen.clear()
    sending = await operator.send(first, f"limit {LIMIT_S}")
    await operator.wait_seen(Condition.RATE_LIMITED, names)
    moments = [operator.seen[name, Condition.RATE_LIMITED] for name in names]
    await operator.wait_done(sending.id)
    await operator.wait_seen(Condition.ONLINE, names)
    await trio.sleep(0.2)
    return sending.id, moments
