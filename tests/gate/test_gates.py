"""The actors of the gates: timers, agents told, restarts, a store that fails. Virtual clock."""

import pytest
import trio
from support.gate_fixture import T0, GateFixture
from trio.testing import wait_all_tasks_blocked

from hive.actors import resume, suspend
from hive.gate import Client
from hive.gate import actor as gate_actor
from hive.wire.gates import GateCommand, GateState
from hive.wire.states import Condition
from hive.wire.turns import ApiSignal, Outcome, SignalKind, TurnReport

C = "default"
ALL = {f"a{n}" for n in range(10)}


def rejected(lease: str, reset: float) -> ApiSignal:
    return ApiSignal(lease, SignalKind.REJECTED, "five_hour", reset)


def answered(lease: str) -> ApiSignal:
    return ApiSignal(lease, SignalKind.ANSWERED)


@pytest.fixture
def ten(hive: GateFixture) -> GateFixture:
    hive.add(C, *(Client(f"a{n}", queued=1, waiting_since=T0 - 100 + n) for n in range(10)))
    return hive


async def test_nobody_passes_a_signal_that_is_not_decided_yet(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        await gates.ensure(C)
        gates.signal(C, "a7", rejected("l1", T0 + 600))
        held = await gates.admit(C, "a0")  # without a turn of the scheduler in between
        assert held is not None and held.condition is Condition.RATE_LIMITED


async def test_an_end_of_a_turn_comes_after_its_signals(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        await gates.ensure(C)
        gates.signal(C, "a7", rejected("l1", T0 + 600))
        held = await gates.turn_ended(C, "a7", "l1", TurnReport(Outcome.INTERRUPTED))
        assert held is not None and held.condition is Condition.RATE_LIMITED


async def test_a_limit_from_the_signal_to_the_last_follower(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        assert await gates.admit(C, "a7") is None
        assert ten.free() == ALL and ten.events == []
        gates.signal(C, "a7", rejected("l1", T0 + 600))
        assert gates.hold(C, None, "a0") is None  # decided by the actor, in its turn
        await wait_all_tasks_blocked()
        assert ten.free() == set()
        assert ten.holds["a3"].until == T0 + 605
        assert gates.hold(C, None, "a0") == ten.holds["a0"]
        assert ten.store.rows() == [(C, "all", "closed")]
        end = TurnReport(Outcome.LIMITED, until=T0 + 600)
        assert (await gates.turn_ended(C, "a7", "l1", end)).until == T0 + 605
        assert (await gates.admit(C, "a2")).condition is Condition.RATE_LIMITED
        ten.events.clear()

        await trio.sleep_until(604.9)
        assert ten.free() == set() and ten.events == []
        await trio.sleep(0.2)
        assert ten.free() == {"a0"}
        assert ten.store.rows() == [(C, "all", "probing")]
        assert await gates.admit(C, "a1") is not None
        assert await gates.admit(C, "a0") is None
        ten.change(C, "a0", queued=0, busy=True)
        gates.signal(C, "a0", answered("l2"))
        await wait_all_tasks_blocked()
        assert ten.free() == {"a0"}
        seen = []
        while len(ten.free()) < 10:
            await trio.sleep(1.0)
            seen.append(len(ten.free()))
        assert seen == sorted(seen) and 20 <= len(seen) <= 35
        assert next(one.gate.state for one in ten.gates_changed()) is GateState.PROBING
        assert ten.gates_changed()[-1].gate.state is GateState.OPEN
        assert ten.gates_changed()[-1].gate.waiting == 0
        assert ten.store.rows() == [(C, "all", "open")]


async def test_when_all_ask_at_once_one_becomes_the_probe(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        for name in ALL:
            ten.change(C, name, queued=0)
        await gates.turn_ended(C, "a0", "l", TurnReport(Outcome.OVERLOADED))
        await trio.sleep(12)
        assert ten.free() == ALL
        answers = {}

        async def ask(name: str) -> None:
            answers[name] = await gates.admit(C, name)

        async with trio.open_nursery() as nursery:
            for name in ALL:
                nursery.start_soon(ask, name)
        (probe,) = [name for name, hold in answers.items() if hold is None]
        assert ten.free() == {probe}
        assert gates.statuses()[0].probe == probe


async def test_work_that_comes_while_it_is_tried_makes_a_probe(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        for name in ALL:
            ten.change(C, name, queued=0)
        await gates.turn_ended(C, "a0", "l", TurnReport(Outcome.OVERLOADED))
        await trio.sleep(12)
        ten.change(C, "a4", queued=3)
        ten.applied.clear()
        for _ in range(100):
            gates.changed(C)
        await trio.sleep(1)
        assert ten.free() == {"a4"}
        assert sorted(ten.applied) == sorted(ALL - {"a4"})


async def test_messages_that_queue_up_meanwhile_are_shown(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        gates.signal(C, "a7", rejected("l1", T0 + 600))
        await gates.ensure(C)
        await trio.sleep(1)
        ten.change(C, "a1", queued=5)
        gates.changed(C)
        await trio.sleep(1)
        assert [one.gate.queued for one in ten.gates_changed()] == [10, 14]
        assert gates.statuses()[0].queued == 14


async def test_an_agent_that_comes_late_is_told(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        await gates.turn_ended(C, "a0", "l", TurnReport(Outcome.BILLING))
        ten.add(C, Client("late"))
        gates.changed(C)
        await trio.sleep(1)
        assert ten.holds["late"].condition is Condition.PARKED
        del ten.clients[C]["late"]
        gates.changed(C)
        await gates.command(GateCommand(C, "release"))
        ten.add(C, Client("late"))
        gates.changed(C)
        await trio.sleep(1)
        assert ten.holds["late"] is None


async def test_credentials_do_not_touch_each_other(ten: GateFixture, running) -> None:
    ten.add("own:mia", Client("mia"))
    async with running(ten.gates()) as gates:
        await gates.ensure(C)
        await gates.turn_ended("own:mia", "mia", "1", TurnReport(Outcome.DISABLED))
        assert ten.free() == ALL
        assert [one.credential for one in gates.statuses()] == [C, "own:mia"]


async def test_a_bucket_that_is_over_leaves_table_and_page(hive: GateFixture, running) -> None:
    hive.add(C, Client("o", "opus"))
    async with running(hive.gates()) as gates:
        report = TurnReport(Outcome.LIMITED, window="seven_day_opus", until=T0 + 60)
        await gates.turn_ended(C, "o", "1", report)
        await wait_all_tasks_blocked()
        assert hive.store.rows() == [(C, "all", "open"), (C, "opus", "closed")]
        await gates.command(GateCommand(C, "release", "opus"))
        await wait_all_tasks_blocked()
        assert hive.store.rows() == [(C, "all", "open")]
        last = hive.gates_changed()[-1].gate
        assert (last.bucket, last.state, last.condition) == ("opus", "open", "online")
        assert hive.free() == {"o"}


# -- restarts -----------------------------------------------------------------------------------


async def test_a_restart_of_the_daemon_keeps_it_closed(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        await gates.turn_ended(C, "a7", "l", TurnReport(Outcome.LIMITED, until=T0 + 600))
    ten.holds.clear()
    async with running(ten.gates()) as gates:
        assert gates.hold(C, None, "a0").until == T0 + 605
        await wait_all_tasks_blocked()
        assert ten.holds.keys() == ALL and ten.free() == set()
        assert await gates.admit(C, "a7") is not None
    await trio.sleep(1000)
    ten.holds.clear()
    async with running(ten.gates()) as gates:
        await wait_all_tasks_blocked()
        assert ten.free() == {"a0"}


async def test_a_restart_of_the_supervisor_alone_forgets_nothing(ten: GateFixture, running) -> None:
    gates = ten.gates()
    async with running(gates):
        await gates.ensure(C)
        await wait_all_tasks_blocked()
        ten.store.fails = True
        await gates.turn_ended(C, "a7", "l", TurnReport(Outcome.LIMITED, until=T0 + 600))
    async with running(gates):
        assert gates.hold(C, None, "a0").until == T0 + 605
        assert (await gates.admit(C, "a0")).until == T0 + 605


async def test_what_is_decided_last_is_kept_when_the_hive_stops(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        await gates.ensure(C)
        await gates.command(GateCommand(C, "hold"))
    assert ten.store.rows() == [(C, "all", "held")]


async def test_a_gate_that_crashes_comes_back_as_it_was(
    ten: GateFixture, running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(ten.gates()) as gates:
        await gates.turn_ended(C, "a7", "l", TurnReport(Outcome.LIMITED, until=T0 + 600))
        step, broken = gate_actor.step, [True]

        def once(*args):
            if broken and broken.pop():
                raise RuntimeError("a defect")
            return step(*args)

        monkeypatch.setattr(gate_actor, "step", once)
        ten.holds.clear()
        assert (await gates.turn_ended(C, "a7", "m", TurnReport(Outcome.COMPLETED))).until
        await trio.sleep(1)
        assert gates.supervisor.snapshot().children[0].incarnation == 2
        assert ten.holds.keys() == ALL and ten.free() == set()
        await trio.sleep_until(606)
        assert ten.free() == {"a0"}


async def test_without_an_actor_the_last_value_decides(ten: GateFixture, running) -> None:
    gates = ten.gates()
    assert await gates.admit(C, "a0") is None
    gates.signal(C, "a0", rejected("l", T0 + 600))
    await gates.turn_ended(C, "a1", "m", TurnReport(Outcome.COMPLETED))
    assert gates.hold(C, None, "a0") is None
    async with running(gates):  # what was said meanwhile is not lost
        await wait_all_tasks_blocked()
        assert ten.free() == set()
    assert (await gates.admit(C, "a0")).until == T0 + 605
    assert gates.statuses()[0].state is GateState.CLOSED


async def test_who_asks_while_it_starts_waits_for_it(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        gates.signal(C, "a7", rejected("l", T0 + 600))  # it is known, and not started
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gates.command, GateCommand(C, "probe"))
            nursery.start_soon(gates.command, GateCommand(C, "probe"))
        assert ten.free() == {"a0"}


async def test_a_gate_that_cannot_live_is_parked_and_stays_closed(
    ten: GateFixture, running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(ten.gates()) as gates:
        await gates.turn_ended(C, "a7", "l", TurnReport(Outcome.LIMITED, until=T0 + 600))
        with monkeypatch.context() as broken:
            broken.delattr(gate_actor, "step")
            await gates.turn_ended(C, "a7", "m", TurnReport(Outcome.COMPLETED))
            await trio.sleep(3)
            assert gates.supervisor.snapshot().children[0].state == "parked"
            assert (await gates.admit(C, "a0")).until == T0 + 605
            gates.signal(C, "a1", rejected("n", T0 + 900))
        await trio.sleep(200)
        assert ten.holds["a0"].until == T0 + 905


async def test_while_it_is_tried_and_its_actor_hangs_only_the_probe_goes_on(
    ten: GateFixture, running
) -> None:
    async with running(ten.gates()) as gates:
        for name in ALL:
            ten.change(C, name, queued=0)
        await gates.turn_ended(C, "a0", "l", TurnReport(Outcome.OVERLOADED))
        await trio.sleep(12)
        assert ten.free() == ALL
        ref = gates._host(C).ref
        await suspend(ref)
        began = trio.current_time()
        assert (await gates.admit(C, "a3")).reason == "its gate does not answer"
        assert trio.current_time() - began <= 2.1
        ten.applied.clear()
        await resume(ref)
        await wait_all_tasks_blocked()
        assert "a3" in ten.applied and ten.free() == {"a3"}  # its question was answered late


# -- the store, the clock, the operator ---------------------------------------------------------


async def test_a_store_that_fails_keeps_nothing_open(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        await gates.ensure(C)
        await wait_all_tasks_blocked()
        ten.store.fails = True
        gates.signal(C, "a7", rejected("l1", T0 + 600))
        await wait_all_tasks_blocked()
        assert ten.free() == set()
        await trio.sleep(120)
        assert len(ten.notices()) == 1
        assert "no space left" in ten.notices()[0].text
        assert 5 <= ten.store.tried <= 12
        ten.store.fails = False
        await trio.sleep(61)
        assert ten.store.rows() == [(C, "all", "closed")]


async def test_a_clock_that_jumps_forward_is_noticed_soon(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        await gates.turn_ended(C, "a7", "l", TurnReport(Outcome.LIMITED, until=T0 + 86400))
        ten.clock += 90000
        await trio.sleep(31)
        assert ten.free() == {"a0"}


async def test_a_clock_that_jumps_back_does_not_wake_too_early(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        await gates.ensure(C)
        await gates.command(GateCommand(C, "hold", until=T0 + 100))
        ten.clock -= 50
        await trio.sleep(120)
        assert ten.free() == set()
        await trio.sleep(31)
        assert ten.free()


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        (GateCommand("nobody", "hold"), "no credential in use; allowed: default"),
        (GateCommand(C, "open"), "allowed: hold, release, probe"),
        (GateCommand(C, "probe", "x\x1b"), "allowed: all, opus, sonnet"),
    ],
)
async def test_a_wrong_command_harms_nobody(
    ten: GateFixture, running, command: GateCommand, allowed: str
) -> None:
    async with running(ten.gates()) as gates:
        await gates.ensure(C)
        with pytest.raises(ValueError, match=allowed) as caught:
            await gates.command(command)
        assert str(caught.value).isprintable()
        assert gates.supervisor.snapshot().children[0].incarnation == 1


async def test_a_new_login_tries_again(ten: GateFixture, running) -> None:
    async with running(ten.gates()) as gates:
        assert await gates.turn_ended(C, "a7", "1", TurnReport(Outcome.UNAUTHORISED)) is None
        hold = await gates.turn_ended(C, "a7", "2", TurnReport(Outcome.UNAUTHORISED))
        assert hold.condition is Condition.NEEDS_LOGIN
        await gates.new_login(C)
        await wait_all_tasks_blocked()
        assert ten.free() == {"a0"}
