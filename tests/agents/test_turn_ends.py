"""The end of a turn is settled once, and leaves the operator's park alone."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from support.agent_socket import Fixture, ask, running, take

from hive.directory import AgentPark, park_in_force
from hive.link import RemoteError
from hive.store import StoreFull
from hive.wire.turns import Finish, Lease, Outcome, Recv, Take, TurnReport

FAILED = TurnReport(Outcome.FAILED, "boom")
COMPLETED = TurnReport(Outcome.COMPLETED)
FOR_GOOD = AgentPark("holiday", None)


@pytest.fixture
async def scout(tmp_path: Path) -> AsyncIterator[Fixture]:
    async with running(tmp_path) as fixture:
        yield fixture


async def leased(scout: Fixture, peer: Any) -> Lease:
    scout.agent.open.set()  # as `serve` does
    lease = (await take(peer)).lease
    assert lease is not None
    return lease


async def stored(scout: Fixture) -> Any:
    """The record as the table has it."""
    await scout.agent.dependencies.directory.load()
    return scout.agent.record


class SlowStore:
    """Holds up every write of the broker until `go` is set; the first `fail` of them fail."""

    def __init__(self, scout: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.asked, self.fail = trio.Event(), trio.Event(), 0
        write = scout.broker._store.write

        async def slow(fn: Any, then: Any = None) -> Any:
            self.asked.set()
            await self.go.wait()
            if self.fail:
                self.fail -= 1
                raise StoreFull("no space left")
            return await write(fn, then)

        monkeypatch.setattr(scout.broker._store, "write", slow)


# --- whose park it is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "turn", "shown"),
    [
        (None, None, None),
        (FOR_GOOD, None, "holiday"),
        (FOR_GOOD, AgentPark("turn failed", 150.0), "holiday"),
        (AgentPark("lunch", 120.0), AgentPark("turn failed", 150.0), "lunch"),
        (AgentPark("lunch", 100.0), AgentPark("turn failed", 150.0), "turn failed"),
        (AgentPark("lunch", 90.0), AgentPark("turn failed", 99.0), None),
        (None, AgentPark("turn failed", 101.0), "turn failed"),
    ],
)
def test_the_operators_park_shows_first_and_the_turns_when_it_is_over(
    operator: AgentPark | None, turn: AgentPark | None, shown: str | None
) -> None:
    park = park_in_force(operator, turn, 100.0)
    assert (park and park.reason) == shown


@pytest.mark.parametrize("report", [FAILED, COMPLETED, TurnReport(Outcome.LIMITED)])
@pytest.mark.parametrize("until", [None, 3600.0])
async def test_a_park_during_a_turn_outlives_the_turn(
    scout: Fixture, report: TurnReport, until: float | None
) -> None:
    park = AgentPark("holiday", until and time.time() + until)
    await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = await leased(scout, peer)
        await scout.agent.park(park)
        await ask(peer, Finish(lease.id, report))
        assert scout.agent.parked == park and not scout.agent.open.is_set()
        assert (await stored(scout)).operator_park == park
        failed = report is FAILED
        assert (scout.agent.record.failures, scout.agent.record.turn_park is not None) == (
            int(failed),
            failed,
        )


async def test_a_turn_that_fails_after_an_unpark_waits_for_its_own_reason(scout: Fixture) -> None:
    await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = await leased(scout, peer)
        await scout.agent.park(FOR_GOOD)
        await scout.agent.dependencies.directory.unpark("scout")
        assert scout.agent.parked is None
        await ask(peer, Finish(lease.id, FAILED))
        parked = scout.agent.parked
        assert parked is not None and parked.reason == "turn failed: boom"
        assert (await stored(scout)).operator_park is None


async def test_the_run_of_failures_grows_survives_and_ends_with_a_good_turn(
    scout: Fixture,
) -> None:
    await scout.mail()
    async with scout.link("one") as (peer, _):
        for number in (1, 2, 3):
            await ask(peer, Finish((await leased(scout, peer)).id, FAILED))
            assert (await stored(scout)).failures == number
            await scout.agent.dependencies.directory.unpark("scout")
            assert (await stored(scout)).failures == number, "an unpark forgives nothing"
        await ask(peer, Finish((await leased(scout, peer)).id, TurnReport(Outcome.INTERRUPTED)))
        assert (await stored(scout)).failures == 3
        await ask(peer, Finish((await leased(scout, peer)).id, COMPLETED))
        record = await stored(scout)
        assert (record.failures, record.turn_park) == (0, None)
        await scout.mail("more")
        await ask(peer, Finish((await leased(scout, peer)).id, FAILED))
        assert (await stored(scout)).failures == 1, "the old run is forgotten"


async def test_parks_that_are_over_are_forgotten_and_no_others(scout: Fixture) -> None:
    records, now = scout.agent.dependencies.directory, time.time()
    await records.park("scout", AgentPark("lunch", now - 1))
    await scout.agent.forget_ended_parks()
    assert (await stored(scout)).operator_park is None
    later = AgentPark("lunch", now + 1000)
    await records.park("scout", later)
    await records.forget_ended_parks("scout", now)
    await records.park("scout", FOR_GOOD)
    await records.forget_ended_parks("scout", now + 10_000)
    assert (await stored(scout)).operator_park == FOR_GOOD


# --- once --------------------------------------------------------------------------------------


async def test_a_repeated_finish_waits_for_the_first_and_counts_nothing(
    scout: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await scout.mail()
    answered = 0
    async with scout.link("one") as (peer, _):
        lease = await leased(scout, peer)
        store = SlowStore(scout, monkeypatch)

        async def finish() -> None:
            nonlocal answered
            await ask(peer, Finish(lease.id, FAILED))
            answered += 1

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(finish)
            with trio.fail_after(5):
                await store.asked.wait()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert answered == 0, "nobody is answered before it is done"
            store.go.set()
        assert answered == 4
        assert scout.limits.ended == [(lease.id, FAILED)]
        assert (await stored(scout)).failures == 1
        assert await scout.state(number) == ("queued", 1, True)


async def test_a_finish_goes_on_without_its_connection_and_the_next_one_finds_it_done(
    scout: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await scout.mail()
    async with trio.open_nursery() as nursery:
        async with scout.link("one") as (peer, _):
            lease = await leased(scout, peer)
            store = SlowStore(scout, monkeypatch)

            async def finish() -> None:
                with pytest.raises(Exception):  # noqa: B017 - the link ends under it
                    await ask(peer, Finish(lease.id, FAILED))

            nursery.start_soon(finish)
            with trio.fail_after(5):
                await store.asked.wait()

        async def back() -> None:
            async with scout.link("one", lease=lease.id) as (again, _):
                await ask(again, Finish(lease.id, FAILED))

        nursery.start_soon(back)
        await trio.testing.wait_all_tasks_blocked(0.05)
        store.go.set()
    assert scout.limits.ended == [(lease.id, FAILED)]
    assert (await stored(scout)).failures == 1
    assert await scout.state(number) == ("queued", 1, True)


async def test_new_work_is_asked_for_while_the_old_is_settled_and_nothing_is_counted(
    scout: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, other = await scout.mail("a"), await scout.mail("b")
    async with scout.link("one") as (peer, _):
        lease = await leased(scout, peer)
        store = SlowStore(scout, monkeypatch)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, peer, Finish(lease.id, COMPLETED))
            with trio.fail_after(5):
                await store.asked.wait()
            nursery.start_soon(ask, peer, Take(5))
            await trio.testing.wait_all_tasks_blocked(0.05)
            store.go.set()
        assert await scout.state(number) == ("done", 0, False)
        assert await scout.state(other) == ("leased", 0, False)
        assert scout.limits.ended == [(lease.id, COMPLETED)]


async def test_a_full_disk_is_said_and_the_repetition_settles_it_once(
    scout: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = await leased(scout, peer)
        store = SlowStore(scout, monkeypatch)
        store.fail = 2
        store.go.set()
        for _ in range(2):
            with pytest.raises(RemoteError) as refused:
                await ask(peer, Finish(lease.id, FAILED))
            assert refused.value.code.startswith("store_")
            assert scout.agent.record.failures == 0, "with the lease, or not at all"
        await ask(peer, Finish(lease.id, FAILED))
        await ask(peer, Finish(lease.id, COMPLETED))
    assert scout.limits.ended == [(lease.id, FAILED)]
    assert (await stored(scout)).failures == 1
    assert await scout.state(number) == ("queued", 1, True)


async def test_a_store_that_is_slower_than_the_deadline_is_told_of_and_settles_it_once(
    scout: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.agents.socket.LEASE_DEADLINE_S", 0.05)
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = await leased(scout, peer)
        write, go = scout.broker._store.write, trio.Event()

        async def slow(fn: Any, then: Any = None) -> Any:
            await write(fn, then)  # done all the same if nobody waits for it any more
            await go.wait()

        monkeypatch.setattr(scout.broker._store, "write", slow)
        with pytest.raises(RemoteError) as refused:
            await ask(peer, Finish(lease.id, FAILED))
        assert refused.value.code == "store_slow"
        monkeypatch.setattr(scout.broker._store, "write", write)
        await ask(peer, Finish(lease.id, FAILED))
    assert scout.limits.ended == [(lease.id, FAILED)]
    assert (await stored(scout)).failures == 1
    assert await scout.state(number) == ("queued", 1, True)


@pytest.mark.parametrize("report", [FAILED, COMPLETED])
async def test_a_restart_of_the_daemon_between_two_finishes_changes_nothing(
    tmp_path: Path, report: TurnReport
) -> None:
    async with running(tmp_path) as before:
        number = await before.mail()
        async with before.link("one") as (peer, _):
            lease = await leased(before, peer)
            await ask(peer, Finish(lease.id, report))
    async with running(tmp_path) as after, after.link("one", lease=lease.id) as (peer, _):
        await ask(peer, Finish(lease.id, report))
        assert after.limits.ended == [], "it was over before"
        assert (await stored(after)).failures == int(report is FAILED)
        state, attempts, _ = await after.state(number)
        assert (state, attempts) == (("queued", 1) if report is FAILED else ("done", 0))


async def test_a_restart_of_the_daemon_before_the_finish_settles_it_then(tmp_path: Path) -> None:
    async with running(tmp_path) as before:
        number = await before.mail()
        async with before.link("one") as (peer, _):
            lease = await leased(before, peer)
    async with running(tmp_path) as after, after.link("one", lease=lease.id) as (peer, _):
        for _ in range(3):
            await ask(peer, Finish(lease.id, FAILED))
        assert (await stored(after)).failures == 1
        assert await after.state(number) == ("queued", 1, True)


async def test_a_finish_after_the_grace_finds_that_the_lease_is_over(scout: Fixture) -> None:
    number = await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = await leased(scout, peer)
    with trio.fail_after(5):
        await scout.broker.wait_queued("scout")
    async with scout.link("one", lease=lease.id) as (peer, _):
        await ask(peer, Finish(lease.id, COMPLETED))
    assert await scout.state(number) == ("queued", 1, True)
    assert [report.outcome for _, report in scout.limits.ended] == [Outcome.INTERRUPTED]


# --- other requests that are repeated ----------------------------------------------------------


async def test_a_take_that_overtakes_another_gets_what_was_leased_for_it(
    scout: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await scout.mail()
    scout.agent.open.set()
    answers: list[Any] = []
    async with scout.link("one") as (peer, _):
        store = SlowStore(scout, monkeypatch)

        async def taking(wait: float) -> None:
            answers.append(await ask(peer, Take(wait)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(taking, 1.0)
            with trio.fail_after(5):
                await store.asked.wait()
            for wait in (2.0, 3.0):
                nursery.start_soon(taking, wait)
                await trio.testing.wait_all_tasks_blocked(0.05)
            store.go.set()
        leases = [answer.lease for answer in answers if answer.lease is not None]
        assert len(leases) == 1 and [m.id for m in leases[0].messages] == [number]
        assert await scout.state(number) == ("leased", 0, False), "no attempt is counted"


async def test_a_recv_of_a_turn_that_has_ended_does_not_keep_the_store_busy(
    scout: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scout.mail()
    async with scout.link("one") as (peer, _):
        lease = await leased(scout, peer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, peer, Recv(lease.id, wait=60))
            await trio.testing.wait_all_tasks_blocked(0.05)
            joins = 0
            join = scout.broker.join

            async def counted(*args: Any, **more: Any) -> Any:
                nonlocal joins
                joins += 1
                return await join(*args, **more)

            monkeypatch.setattr(scout.broker, "join", counted)
            await ask(peer, Finish(lease.id, FAILED))
        assert joins <= 1
