"""Calls, casts, stops, monitors, timers, probes of one actor."""

import math

import pytest
import trio
import trio.testing

from hive.actors import (
    DEFERRED,
    Actor,
    ActorDied,
    ActorDown,
    ActorHost,
    CallingSelf,
    ExitKind,
    Full,
    MailboxFull,
    NoActor,
    Shutdown,
    get_status,
    resume,
    root_cause,
    suspend,
)


class Echo(Actor):
    """Does what the message says."""

    def __init__(self):
        self.seen = []
        self.later = []
        self.ended = None

    async def handle_call(self, message, reply):
        match message:
            case "crash":
                raise ValueError("boom")
            case "defer":
                self.later.append(reply)
                return DEFERRED
            case "self":
                return await self.ref.call("again")
            case ("sleep", seconds):
                await trio.sleep(seconds)
        return message

    async def handle_cast(self, message):
        if isinstance(message, tuple):
            await trio.sleep(message[1])
        if message == "answer":
            for reply in self.later:
                reply.settle("late")
        self.seen.append(message)

    async def handle_info(self, message):
        self.seen.append((trio.current_time(), message))

    async def terminate(self, how):
        await trio.sleep(1)
        self.ended = how


async def test_call_cast_and_order(running) -> None:
    actor = Echo()
    async with running(lambda: actor) as ref:
        for number in range(5):
            await ref.cast(number)
        ref.cast_nowait(5)
        assert await ref.call("hello") == "hello"
        assert actor.seen == [0, 1, 2, 3, 4, 5]


async def test_a_call_has_a_deadline_and_a_late_reply_is_dropped(running) -> None:
    actor = Echo()
    async with running(lambda: actor) as ref:
        with pytest.raises(trio.TooSlowError):
            await ref.call("defer", timeout=2)
        assert trio.current_time() == pytest.approx(2)
        await ref.cast("answer")
        assert await ref.call("fine") == "fine"
        assert actor.later[0].late == 1
        status = await get_status(ref)
        assert (status.late_replies, status.pending_calls) == (1, 1)  # the probe itself waits


async def test_a_deferred_reply(running) -> None:
    async with running(Echo) as ref, trio.open_nursery() as nursery:
        answers = []

        async def ask():
            answers.append(await ref.call("defer"))

        nursery.start_soon(ask)
        await trio.sleep(1)
        await ref.cast("answer")
        await trio.sleep(1)
        assert answers == ["late"]


async def test_all_waiting_calls_fail_at_once_when_the_actor_dies(running) -> None:
    failures = []

    async def ask(ref, message):
        try:
            await ref.call(message, timeout=1000)
        except ActorDied as error:
            failures.append(
                (trio.current_time(), error.exit.kind, repr(root_cause(error.__cause__)))
            )

    async with running(Echo, capacity=3) as ref, trio.open_nursery() as nursery:
        for message in ("defer", ("sleep", 3), "crash", "queued", "queued", "no room yet"):
            nursery.start_soon(ask, ref, message)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(5)
        assert len(failures) == 5  # the sleeper got its answer
        assert {failure[1] for failure in failures} == {ExitKind.CRASHED}
        assert {failure[2] for failure in failures} == {"ValueError('boom')"}
        with pytest.raises(NoActor):
            await ref.call("late")
        with pytest.raises(NoActor):
            ref.cast_nowait("late")


async def test_calling_oneself_is_refused(running) -> None:
    died = []
    async with running(Echo) as ref:
        ref.monitor(died.append)
        with pytest.raises(ActorDied) as caught:
            await ref.call("self")
        assert isinstance(root_cause(caught.value.__cause__), CallingSelf)
        await trio.sleep(2)
    assert isinstance(root_cause(died[0].exit.error), CallingSelf)


async def test_stop_overtakes_the_backlog_and_lets_the_handler_finish(running) -> None:
    actor = Echo()
    async with running(lambda: actor) as ref:
        await ref.cast(("sleep", 3))
        for number in range(10):
            await ref.cast(number)
        await ref.stop("enough")
        assert not ref.alive
        assert actor.seen == [("sleep", 3)]
        assert (actor.ended.kind, actor.ended.detail) == (ExitKind.SHUTDOWN, "enough")
        await ref.stop()


async def test_a_monitor_tells_once_also_about_the_dead(running) -> None:
    downs = []
    async with running(Echo) as ref:
        ref.monitor(downs.append)
        cancelled = ref.monitor(downs.append)
        cancelled.cancel()
        await ref.stop("bye")
        assert [(down.incarnation, down.exit.detail) for down in downs] == [(1, "bye")]
        ref.monitor(downs.append)
        assert downs[-1].incarnation == 0


async def test_an_actor_gets_the_down_of_another_by_handle_info(running) -> None:
    watcher = Echo()
    async with running(lambda: watcher), running(Echo) as other:
        watcher.monitor(other)
        await other.stop("bye")
        await trio.testing.wait_all_tasks_blocked()
        ((_, down),) = watcher.seen
        assert isinstance(down, ActorDown)
        assert down.exit.detail == "bye"


async def test_timers_end_with_the_actor(running) -> None:
    actor = Echo()
    async with running(lambda: actor) as ref:
        actor.send_after(3, "once")
        every = actor.send_every(2, "tick")
        actor.send_after(1, "never").cancel()
        await trio.sleep(5)
        every.cancel()
        await trio.sleep(5)
        assert [(pytest.approx(at), what) for at, what in actor.seen] == [
            (2, "tick"),
            (3, "once"),
            (4, "tick"),
        ]
        actor.send_after(100, "never")
        await ref.stop()
    assert trio.current_time() < 100


async def test_nothing_is_left_of_a_timer_that_was_cancelled(running) -> None:
    actor = Echo()
    async with running(lambda: actor) as ref:
        actor.send_every(1, "tick").cancel()
        await trio.sleep(2)
        assert ref.incarnation().timers.next == math.inf


async def test_a_busy_actor_lets_others_run(running) -> None:
    turns = 0

    async def other(task_status) -> None:
        nonlocal turns
        task_status.started()
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with running(Echo, capacity=6400) as ref, trio.open_nursery() as nursery:
        await nursery.start(other)
        for number in range(6400):
            ref.cast_nowait(number)
        turns = 0
        await ref.call("after them", timeout=60)
        assert 90 <= turns <= 120
        nursery.cancel_scope.cancel()


async def test_cancel_runs_terminate_within_its_deadline(running) -> None:
    class Slow(Echo):
        async def terminate(self, how):
            self.ended = how
            await trio.sleep(1000)

    actor = Slow()
    async with running(lambda: actor, terminate_within=3):
        pass
    assert trio.current_time() == pytest.approx(3)
    assert actor.ended.kind is ExitKind.SHUTDOWN


async def test_messages_wait_during_init_and_fail_with_it(running) -> None:
    class Late(Echo):
        async def init(self):
            await trio.sleep(3)
            if fail:
                raise OSError("no")

    fail = False
    async with running(Late) as ref:
        assert await ref.call("early") == "early"
    fail = True
    async with running(Late) as ref:
        with pytest.raises(ActorDied):
            await ref.call("early")


async def test_a_helper_that_crashes_ends_the_actor(running) -> None:
    async def helper():
        await trio.sleep(1)
        raise OSError("helper")

    class Helped(Echo):
        with_helpers = True

        async def init(self):
            self.helpers.start_soon(helper)

    downs = []
    async with running(Helped) as ref:
        ref.monitor(downs.append)
        await trio.sleep(3)
    assert downs[0].exit.kind is ExitKind.CRASHED


async def test_shutdown_raised_by_a_handler_is_a_clean_end(running) -> None:
    class Leaver(Echo):
        async def handle_cast(self, message):
            raise Shutdown("done")

    downs = []
    async with running(Leaver) as ref:
        ref.monitor(downs.append)
        await ref.cast("go")
        await trio.sleep(2)
    assert (downs[0].exit.kind, downs[0].exit.detail) == (ExitKind.SHUTDOWN, "done")


async def test_the_request_to_stop_ends_it_after_the_handler(running, parent) -> None:
    actor = Echo()
    async with running(lambda: actor, parent) as ref:
        await ref.cast(("sleep", 3))
        await trio.sleep(1)
        parent.stop_requested.set()
        await trio.sleep(4)
        assert not ref.alive
        assert actor.seen == [("sleep", 3)]


async def test_ticks_come_from_the_message_loop_so_that_a_hung_handler_is_silent(
    running, parent
) -> None:
    async with running(Echo, parent, tick_every=1.0) as ref:
        await trio.sleep(3.5)
        assert len(parent.ticks) == 4
        await ref.cast(("sleep", 100))
        await trio.sleep(50)
        assert len(parent.ticks) == 4


@pytest.mark.parametrize("full", [Full.REFUSE, Full.DROP_OLDEST])
async def test_a_full_mailbox(running, full) -> None:
    actor = Echo()
    async with running(lambda: actor, capacity=2, full=full) as ref:
        await ref.cast(("sleep", 1))
        await trio.testing.wait_all_tasks_blocked()
        await ref.cast(1)
        await ref.cast(2)
        if full is Full.REFUSE:
            with pytest.raises(MailboxFull):
                await ref.cast(3)
        else:
            await ref.cast(3)
        await trio.sleep(2)
        assert actor.seen[1:] == ([1, 2] if full is Full.REFUSE else [2, 3])


async def test_a_dropped_call_fails_at_once(running) -> None:
    async with running(Echo, capacity=1, full=Full.DROP_OLDEST) as ref:
        await ref.cast(("sleep", 10))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            async def ask():
                with pytest.raises(MailboxFull, match="dropped"):
                    await ref.call("dropped")

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await ref.cast("newer")
        assert trio.current_time() < 10


async def test_probe_suspend_and_resume(running) -> None:
    actor = Echo()
    async with running(lambda: actor) as ref:
        await suspend(ref)
        await ref.cast("waits")
        await trio.testing.wait_all_tasks_blocked()
        status = await get_status(ref)
        assert (status.suspended, status.mailbox.user, status.state["seen"]) == (True, 1, [])
        await resume(ref)
        await trio.testing.wait_all_tasks_blocked()
        status = await get_status(ref)
        assert status.state["seen"] == ["waits"]
        assert [str(line) for line in status.recent][-3:] == ["Suspend", "Cast str", "Inspect"]


async def test_a_status_hook_that_crashes_does_no_harm(running) -> None:
    class Opaque(Echo):
        def status(self):
            raise RuntimeError("no")

    async with running(Opaque) as ref:
        assert (await get_status(ref)).state == "<status() raised RuntimeError>"
        assert await ref.call("fine") == "fine"


async def test_a_reference_outlives_incarnations(parent) -> None:
    host = ActorHost(Echo, name="actor")
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.run, parent)
            await trio.testing.wait_all_tasks_blocked()
            assert await host.ref.call("hello") == "hello"
            nursery.cancel_scope.cancel()
        assert not host.ref.alive
