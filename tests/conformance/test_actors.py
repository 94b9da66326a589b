"""Cases of gen_server, proc_lib and ractor, in our words; the name says whose."""

import logging

import pytest
import trio
import trio.testing
from support.obedient import Obedient, alone, raises, serving, sleeps

from hive.actors import (
    Actor,
    ActorDied,
    ActorHost,
    CallingSelf,
    ExitKind,
    Ignored,
    NoActor,
    Park,
    Registry,
    Shutdown,
    get_state,
    get_status,
    replace_state,
    resume,
    root_cause,
    spawn,
    suspend,
)
from hive.supervisors import Backoff, ChildSpec, Exited, State, Supervisor

pytestmark = pytest.mark.usefixtures("puppets")  # for the random schedules
AT_ONCE = Backoff(initial=0, healthy_after=0)


# -- gen_server --------------------------------------------------------------------------------


async def test_gen_server_call_replies_at_once_later_with_an_error_or_never() -> None:
    actor = Obedient()
    async with alone(actor) as ref:
        assert await ref.call("now") == "now"
        async with trio.open_nursery() as nursery:
            answers = []

            async def ask() -> None:
                answers.append(await ref.call("defer"))

            nursery.start_soon(ask)
            await trio.sleep(1)
            actor.replies[0].settle("later")
        assert answers == ["later"]

        async with trio.open_nursery() as nursery:

            async def ask_in_vain() -> None:
                with pytest.raises(LookupError, match="not here"):
                    await ref.call("defer")

            nursery.start_soon(ask_in_vain)
            await trio.sleep(1)
            actor.replies[1].fail(LookupError("not here"))
        with pytest.raises(trio.TooSlowError, match="obedient"):
            await ref.call("defer", timeout=3)
        assert await ref.call("alive") == "alive"


@pytest.mark.parametrize(
    "question",
    [
        lambda actor: actor.ref.call("x"),
        lambda actor: actor.ref.stop(),
        lambda actor: get_status(actor.ref),
        lambda actor: suspend(actor.ref),
    ],
)
async def test_gen_server_calling_self_is_refused_at_once(question) -> None:
    async with alone(Obedient()) as ref:
        with pytest.raises(ActorDied) as caught:
            await ref.call(question)
        assert isinstance(root_cause(caught.value.exit.error), CallingSelf)
        assert trio.current_time() == 0


async def test_gen_server_call_to_an_unknown_name() -> None:
    with pytest.raises(NoActor, match="'nobody'"):
        Registry().whereis("nobody")
    never_run = ActorHost(Obedient, name="ghost").ref
    for send in (never_run.call, never_run.cast):
        with pytest.raises(NoActor, match="ghost"):
            await send("x")


async def test_gen_server_callee_dies_in_between() -> None:
    async with alone(Obedient(), capacity=2) as ref, trio.open_nursery() as nursery:
        failures = []

        async def ask(message: object) -> None:
            with pytest.raises(ActorDied) as caught:
                await ref.call(message, timeout=1000)
            failures.append((trio.current_time(), str(root_cause(caught.value.exit.error))))

        async def crash(actor: Obedient) -> None:
            await trio.sleep(3)
            raise ValueError("boom")

        for message in ("defer", crash, "queued", "queued", "waits for room"):
            nursery.start_soon(ask, message)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(5)
        assert failures == [(3, "boom")] * 5


async def test_gen_server_reply_by_alias_with_payload_late_replies_are_absorbed() -> None:
    actor = Obedient()
    async with alone(actor) as ref:
        for _ in range(3):
            with pytest.raises(trio.TooSlowError):
                await ref.call("defer", timeout=1)
        with trio.move_on_after(1):
            await ref.call("defer")  # cancelled is late too
        for number, reply in enumerate(actor.replies):
            assert not reply.settle(number)
        assert await ref.call("mine") == "mine"
        assert (await get_status(ref)).late_replies == 4


async def test_gen_server_call_cost_is_independent_of_the_callers_own_queue() -> None:
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.count += 1

    async def cost(backlog: int) -> int:
        async with alone(Obedient(), capacity=100_000) as caller, alone(Obedient()) as callee:
            steps = Steps()

            async def order(actor: Obedient) -> None:
                await trio.lowlevel.checkpoint()
                trio.lowlevel.add_instrument(steps)
                await callee.call("x")
                trio.lowlevel.remove_instrument(steps)

            caller.cast_nowait(order)
            for number in range(backlog):
                caller.cast_nowait(number)
            await caller.call("all is handled", timeout=60)
            return steps.count

    assert await cost(20_000) <= await cost(0) + 2


async def test_gen_server_otp_7669_a_failed_init_leaves_no_name() -> None:
    registry = Registry()

    class Fails(Obedient):
        async def init(self) -> None:
            await super().init()
            raise OSError("no disk")

    async with trio.open_nursery() as nursery:
        host = ActorHost(lambda: Fails(registry), name="fails")
        with pytest.raises(OSError, match="no disk"):
            await spawn(nursery, host)
    assert registry.names() == ()
    assert not host.ref.alive


@pytest.mark.parametrize("lane", ["call", "cast"])
async def test_gen_server_undef_handler_crashes(lane: str) -> None:
    downs = []
    async with alone(Actor()) as ref:
        ref.monitor(downs.append)
        if lane == "call":
            with pytest.raises(ActorDied):
                await ref.call("x")
        else:
            await ref.cast("x")
            await trio.sleep(1)
    assert isinstance(root_cause(downs[0].exit.error), NotImplementedError)


async def test_gen_server_undef_handle_info_does_not_crash() -> None:
    actor = Actor()
    async with alone(actor) as ref:
        actor.send_after(1, "stray")
        await trio.sleep(2)
        assert ref.alive


async def test_gen_server_undef_init_and_terminate_are_fine() -> None:
    async with alone(Actor()) as ref:
        await ref.stop()
        assert not ref.alive


async def test_gen_server_stop_with_reason_and_timeout() -> None:
    actor = Obedient()
    async with alone(actor) as ref:
        await ref.cast(sleeps(10))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.TooSlowError):
            await ref.stop("enough", timeout=2)
        assert trio.current_time() == 2
        await trio.sleep(10)
        assert not ref.alive
        assert (actor.ended.kind, actor.ended.detail) == (ExitKind.SHUTDOWN, "enough")
        await ref.stop()


async def test_gen_server_state_is_read_and_replaced_from_outside() -> None:
    class Secretive(Obedient):
        def status(self) -> object:
            return {"seen": len(self.seen), "token": "<redacted>"}

    actor = Secretive()
    async with alone(actor) as ref:
        await ref.cast(sleeps(1))
        await trio.testing.wait_all_tasks_blocked()
        for number in range(50):
            await ref.cast(number)
        assert await get_state(ref) == {"seen": 0, "token": "<redacted>"}  # before the backlog

        def change(target: Secretive) -> None:
            target.seen = ["put there"]

        await replace_state(ref, change)
        assert await get_state(ref) == {"seen": 1, "token": "<redacted>"}

        def crash(target: Secretive) -> None:
            target.seen = []
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            await replace_state(ref, crash)
        assert actor.seen[0] == "put there"
        assert await ref.call("alive") == "alive"


@pytest.mark.parametrize("error", [RuntimeError("no"), Park("no"), Shutdown("no")])
async def test_gen_server_format_status_hook_that_crashes_or_throws(error: Exception) -> None:
    class Opaque(Obedient):
        def status(self) -> object:
            raise error

        def describe(self, message: object) -> str:
            raise error

    async with alone(Opaque()) as ref:
        await ref.call("x")
        status = await get_status(ref)
        assert status.state == f"<status() raised {type(error).__name__}>"
        assert str(status.recent[0]) == f"Call <describe() raised {type(error).__name__}>"


async def test_sys_suspend_queues_and_resume_goes_on_in_order() -> None:
    actor = Obedient()
    async with alone(actor) as ref:
        await suspend(ref)
        for number in range(5):
            await ref.cast(number)
        with pytest.raises(trio.TooSlowError):
            await ref.call("late", timeout=1)
        assert (await get_status(ref)).suspended
        assert actor.seen == []
        await resume(ref)
        assert await ref.call("now") == "now"
        assert actor.seen == [0, 1, 2, 3, 4, "late", "now"]


async def test_sys_a_suspended_actor_can_be_stopped() -> None:
    async with alone(Obedient()) as ref:
        await suspend(ref)
        await ref.stop(timeout=1)
        assert not ref.alive


async def test_sys_log_is_a_ring_that_shows_what_the_actor_wants_to_show() -> None:
    class Open(Obedient):
        def describe(self, message: object) -> str:
            return f"{message!r}\x1b[2J" + "x" * 1000

    async with alone(Open(), trace=3) as ref:
        for number in range(10):
            await ref.call(number)
        recent = (await get_status(ref)).recent
        assert [line.kind for line in recent] == ["Call", "Call", "Inspect"]
        assert recent[1].message.startswith("9�[2Jxxx")
        assert len(recent[1].message) == 200


async def test_gen_statem_postponed_messages_come_first_in_their_order() -> None:
    class Door(Obedient):
        open = False

        async def handle_cast(self, message: object) -> None:
            if message == "open":
                self.open = True
                self.retry()
            elif not self.open:
                self.postpone()
            else:
                self.seen.append(message)

        async def handle_call(self, message: object, reply: object) -> object:
            return len(self.seen) if self.open else self.postpone()

    actor = Door()
    async with alone(actor, capacity=3) as ref, trio.open_nursery() as nursery:
        answers = []

        async def ask() -> None:
            answers.append(await ref.call("how many"))

        await ref.cast(1)
        await ref.cast(2)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert (await get_status(ref)).postponed == 3
        await ref.cast("open")
        await ref.cast(3)
        await trio.testing.wait_all_tasks_blocked()
        assert (actor.seen, answers) == ([1, 2, 3], [2])


async def test_gen_statem_what_is_postponed_is_bounded() -> None:
    downs = []
    async with alone(Obedient(), capacity=2) as ref:
        ref.monitor(downs.append)
        for _ in range(3):
            await ref.cast(lambda actor: actor.postpone())
            await trio.testing.wait_all_tasks_blocked()
    assert "postponed" in str(root_cause(downs[0].exit.error))


# -- proc_lib ----------------------------------------------------------------------------------


class Starts(Obedient):
    """Its init() does that."""

    def __init__(self, order, registry: Registry | None = None) -> None:
        super().__init__(registry)
        self._order = order

    async def init(self) -> None:
        await super().init()
        await self._obey(self._order)


async def test_proc_lib_start_with_timeout_kills_and_flushes() -> None:
    registry = Registry()
    host = ActorHost(lambda: Starts(sleeps(100), registry), name="slow")
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            await spawn(nursery, host)
        assert trio.current_time() == 1
        await trio.testing.wait_all_tasks_blocked()
        assert not host.ref.alive
        assert registry.names() == ()
    assert trio.current_time() == 1  # nothing of it is left in the nursery


async def test_proc_lib_a_starter_that_gave_up_before_the_first_step_starts_nothing() -> None:
    made = []
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0):
            await spawn(nursery, ActorHost(lambda: made.append(1) or Obedient(), name="never"))
    assert trio.current_time() == 0


@pytest.mark.parametrize(
    "error", [OSError("no"), Shutdown("no"), Ignored("no"), Park("no"), Park("no", 5.0)]
)
async def test_proc_lib_init_dont_hang_and_the_nursery_is_left_alone(error: Exception) -> None:
    async with trio.open_nursery() as nursery:
        with trio.fail_after(1), pytest.raises(type(error)) as caught:
            await spawn(nursery, ActorHost(lambda: Starts(raises(error)), name="fails"))
        assert caught.value is error
        await trio.sleep(10)  # told to the starter, and to nobody else


async def test_proc_lib_init_that_is_cancelled_with_its_nursery_tells_the_starter() -> None:
    async with trio.open_nursery() as outer:
        told = []

        async def house(task_status: trio.TaskStatus[trio.Nursery]) -> None:
            async with trio.open_nursery() as inner:
                task_status.started(inner)
                await trio.sleep_forever()

        async def start() -> None:
            with pytest.raises(ActorDied) as caught:
                await spawn(nursery, ActorHost(lambda: Starts(sleeps(99)), name="x"))
            told.append(caught.value.exit.kind)

        nursery = await outer.start(house)
        outer.start_soon(start)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert told == [ExitKind.SHUTDOWN]


async def test_proc_lib_after_the_ack_a_crash_is_the_nurserys_and_not_the_starters() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            ref = await spawn(nursery, ActorHost(Obedient, name="crashes"))
            await ref.cast(raises(ValueError("boom")))
            await trio.sleep_forever()
    assert str(root_cause(caught.value)) == "boom"


@pytest.mark.parametrize("error", [Shutdown("bye"), Park("rests", 5.0)])
async def test_proc_lib_after_the_ack_a_clean_end_is_nobodys(error: Exception) -> None:
    downs = []
    async with trio.open_nursery() as nursery:
        ref = await spawn(nursery, ActorHost(Obedient, name="leaves"))
        ref.monitor(downs.append)
        await ref.cast(raises(error))
        await trio.sleep(1)
        assert not ref.alive
        assert ref.parked is None  # nobody would wake it
    assert downs[0].exit.clean


# -- ractor ------------------------------------------------------------------------------------


async def test_ractor_panic_in_start_restarts_until_it_goes_well() -> None:
    attempts = []

    def make() -> Actor:
        attempts.append(trio.current_time())
        return Starts(raises(OSError("no")) if 1 < len(attempts) < 4 else sleeps(0))

    host = ActorHost(make, name="starts")
    top = Supervisor([ChildSpec("starts", host.run, backoff=Backoff(1, min=1, jitter=0))])
    async with serving(top):
        await host.ref.cast(raises(ValueError("go")))
        await trio.sleep(60)
        assert len(attempts) == 4
        assert await host.ref.call("x") == "x"


@pytest.mark.parametrize("hook", ["call", "cast", "info", "helper"])
async def test_ractor_panic_in_a_handler_ends_that_incarnation_with_its_cause(hook: str) -> None:
    events = []
    actors = []
    boom = raises(ValueError("boom"))

    class Helped(Obedient):
        with_helpers = hook == "helper"

    def make() -> Actor:
        actors.append(Helped())
        return actors[-1]

    async def helper() -> None:
        boom(actors[0])

    host = ActorHost(make, name="panics")
    top = Supervisor([ChildSpec("panics", host.run, backoff=AT_ONCE)], sink=events.append)
    async with serving(top):
        match hook:
            case "call":
                with pytest.raises(ActorDied):
                    await host.ref.call(boom)
            case "cast":
                await host.ref.cast(boom)
            case "info":
                actors[0].send_after(0, boom)
            case "helper":
                actors[0].helpers.start_soon(helper)
        await trio.sleep(1)
        (exited,) = [event for event in events if isinstance(event, Exited)]
        assert str(root_cause(exited.exit.error)) == "boom"
        assert actors[0].ended.kind in (ExitKind.CRASHED, ExitKind.SHUTDOWN)
        assert await host.ref.call("x") == "x"
        assert len(actors) == 2
        if hook != "helper":
            assert exited.messages[-1].lower() == f"{hook} function"


async def test_ractor_panic_in_terminate_is_reported_and_tells_all_who_wait() -> None:
    class Clumsy(Obedient):
        async def terminate(self, how: object) -> None:
            raise RuntimeError("clumsy")

    events, downs = [], []
    host = ActorHost(Clumsy, name="clumsy")
    top = Supervisor([ChildSpec("clumsy", host.run)], sink=events.append)
    async with serving(top):
        host.ref.monitor(downs.append)
        await top.terminate_child("clumsy")
        await trio.testing.wait_all_tasks_blocked()
        (exited,) = [event for event in events if isinstance(event, Exited)]
        assert not exited.exit.clean
        assert "clumsy" in str(root_cause(exited.exit.error))
        assert len(downs) == 1
        with pytest.raises(NoActor):
            await host.ref.call("x")


async def test_ractor_panic_in_the_monitors_own_handler_harms_nobody_else(caplog) -> None:
    caplog.set_level(logging.CRITICAL, "hive.actors")
    downs = []

    def panic(_: object) -> None:
        raise RuntimeError("panic")

    async with alone(Obedient()) as ref:
        ref.monitor(panic)
        ref.monitor(downs.append)
        await ref.stop()
        ref.monitor(panic)
        assert len(downs) == 1


async def test_ractor_children_spawned_before_the_parent_is_up_end_with_it() -> None:
    class Parent(Obedient):
        with_helpers = True

        async def init(self) -> None:
            self.child = await spawn(self.helpers, ActorHost(Obedient, name="child"))

    parent = Parent()
    async with alone(parent) as ref:
        assert await parent.child.call("x") == "x"
        await ref.stop()
        assert not parent.child.alive
    async with trio.open_nursery() as nursery:

        class Fails(Parent):
            async def init(self) -> None:
                await super().init()
                children.append(self.child)
                raise OSError("no")

        children = []
        with pytest.raises(ExceptionGroup):
            await spawn(nursery, ActorHost(Fails, name="fails"))
        assert not children[0].alive


async def test_ractor_a_killed_supervisor_takes_its_actors_with_it() -> None:
    actors = [Obedient(), Obedient()]
    hosts = [ActorHost(lambda actor=actor: actor, name="x") for actor in actors]
    top = Supervisor([ChildSpec(str(n), host.run) for n, host in enumerate(hosts)])
    async with serving(top):
        assert all(host.ref.alive for host in hosts)
    assert not any(host.ref.alive for host in hosts)
    assert all(actor.ended.kind is ExitKind.SHUTDOWN for actor in actors)
    assert top.snapshot().state is State.STOPPED


async def test_suture_a_host_that_is_run_twice_is_refused() -> None:
    host = ActorHost(Obedient, name="twice")
    async with trio.open_nursery() as nursery:
        await spawn(nursery, host)
        with pytest.raises(RuntimeError, match="runs already"):
            await spawn(nursery, host)
        assert await host.ref.call("x") == "x"
        nursery.cancel_scope.cancel()
