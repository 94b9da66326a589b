"""Suspend, resume, history, what the watchdog does, live reconfiguration of what does not run."""

import gc
import weakref

import pytest
import trio
import trio.testing

from hive.supervisors import (
    ChildSpec,
    Context,
    DynamicSupervisor,
    Exited,
    NotFound,
    NotRunning,
    OnSilence,
    Park,
    Parked,
    RestartIntensity,
    Resumed,
    Silent,
    State,
    Suspended,
    supervisor_spec,
)

CRASH = ValueError("boom")


async def test_a_suspended_child_halts_at_its_next_step_until_resumed(script) -> None:
    done: list[float] = []

    async def works(ctx: Context) -> None:
        ctx.ready()
        while True:
            await ctx.wait_resumed()
            done.append(trio.current_time())
            ctx.tick()
            await trio.sleep(1)

    top = script.make([ChildSpec("a", works, watchdog=3)])
    async with script.running(top):
        await trio.sleep(2.5)
        top.suspend("a")
        top.suspend("a")
        await trio.sleep(100)
        assert done == [0, 1, 2]  # and its watchdog slept too
        assert top.snapshot().children[0].suspended
        assert top.snapshot().children[0].state is State.RUNNING
        top.resume("a")
        top.resume("a")
        await trio.sleep(1.5)
        assert done == [0, 1, 2, 102.5, 103.5]
        assert not top.snapshot().children[0].suspended
    assert (len(script.of(Suspended)), len(script.of(Resumed))) == (1, 1)
    assert [event.at for event in script.of(Exited)] == [104]


async def test_a_suspension_holds_for_the_next_incarnation(script) -> None:
    told: list[bool] = []

    async def is_told(ctx: Context) -> None:
        ctx.on_suspend(told.append)
        ctx.ready()
        await trio.sleep_forever()

    top = script.make([ChildSpec("a", is_told)])
    async with script.running(top):
        top.suspend("a")
        top.kick("a")
        await trio.testing.wait_all_tasks_blocked()
        assert told == [True, True]
        top.resume("a")
        assert told == [True, True, False]
        with pytest.raises(NotFound):
            top.suspend("b")


async def test_a_suspended_init_is_not_too_slow(script) -> None:
    async def slow(ctx: Context) -> None:
        await ctx.wait_resumed()
        ctx.ready()
        await trio.sleep_forever()

    top = script.make([ChildSpec("a", slow, init_timeout=5)])
    async with script.running(top):
        top.suspend("a")
        top.kick("a")
        await trio.sleep(50)
        assert top.snapshot().children[0].state is State.STARTING
        top.resume("a")
        await trio.testing.wait_all_tasks_blocked()
        assert top.snapshot().children[0].state is State.RUNNING


async def test_a_suspend_callback_that_raises_is_logged(script, caplog) -> None:
    async def bad(ctx: Context) -> None:
        ctx.on_suspend(lambda halted: 1 / 0)
        ctx.ready()
        await trio.sleep_forever()

    top = script.make([ChildSpec("a", bad)])
    async with script.running(top):
        top.suspend("a")
        assert "top/a: its on_suspend callback failed" in caplog.text


async def test_history_holds_the_last_events_and_nothing_alive(script) -> None:
    top = script.make([script.child("a")], intensity=RestartIntensity(1000, 1))
    async with script.running(top):
        await script.end("a", CRASH)
        top.park("a", "by hand\x1b")
        await trio.testing.wait_all_tasks_blocked()
        top.unpark("a")
        await trio.testing.wait_all_tasks_blocked()
        events = [(one.event, one.incarnation) for one in top.history("a")]
        assert events == [
            ("started", 1),
            ("exited", 1),
            ("restarting", 1),
            ("started", 2),
            ("exited", 2),
            ("parked", 2),
            ("unparked", 2),
            ("started", 3),
        ]
        texts = [one.text for one in top.history("a")]
        assert texts[1] == "crashed: ValueError: boom"
        assert texts[5] == "parked: by hand\\x1b"
        assert top.snapshot().find("top/a").history == top.history("a")
        for _ in range(100):
            top.kick("a")
            await trio.testing.wait_all_tasks_blocked()
        assert len(top.history("a")) == 32
        assert all(type(value) in (str, int, float) for value in _values(top.history("a")))
        with pytest.raises(NotFound):
            top.history("b")
    assert top.history("a")[-1].event == "exited"


def _values(past):
    return [value for one in past for value in (one.at, one.event, one.incarnation, one.text)]


async def test_a_path_leads_to_the_supervisor_and_the_id(script) -> None:
    inner = script.make([script.child("a/b"), script.child("a")])
    top = script.make([supervisor_spec("in", inner), script.child("in/z")])
    assert top._path == ""
    with pytest.raises(NotFound):
        top.locate("top/in")
    async with script.running(top):
        for path in (node.path for node in top.snapshot().walk() if node.path != "top"):
            above, child_id = top.locate(path)
            assert f"{above.snapshot().path}/{child_id}" == path
        assert top.locate("top/in/a/b") == (inner, "a/b")
        for wrong in ("top", "in", "top/", "top/in/", "top/in/c", "top/in/a/b/c", "", "/top/in"):
            with pytest.raises(NotFound):
                top.locate(wrong)


async def test_nothing_of_an_incarnation_that_ended_is_kept(script) -> None:
    class Large:
        pass

    held: list[weakref.ref[Large]] = []

    async def start(ctx: Context) -> None:
        large = Large()
        held.append(weakref.ref(large))
        ctx.on_report(lambda: [large])
        ctx.ready()
        if len(held) == 1:
            raise Park("rest")
        raise ValueError

    top = script.make(
        [ChildSpec("a", start, park_on_exhausted=True)], intensity=RestartIntensity(0, 1)
    )
    async with script.running(top):
        script.events.clear()  # an event holds the exception, and that its frames
        gc.collect()
        assert held[0]() is None
        top.unpark("a")
        await trio.testing.wait_all_tasks_blocked()
        script.events.clear()
        gc.collect()
        assert held[1]() is None
        assert top.history("a")[-1].event == "parked"


async def test_messages_of_a_child_that_ended_badly_are_in_the_event(script) -> None:
    async def reports(ctx: Context) -> None:
        ctx.on_report(lambda: (f"message {n}\n" for n in range(100)))
        ctx.ready()
        raise CRASH

    async def breaks(ctx: Context) -> None:
        ctx.on_report(lambda: 1 / 0)
        ctx.ready()
        raise CRASH

    top = script.make(
        [ChildSpec("a", reports, park_on_exhausted=True)], intensity=RestartIntensity(intensity=0)
    )
    async with script.running(top):
        (exited,) = script.of(Exited)
        assert exited.messages == tuple(f"message {n}\\n" for n in range(84, 100))
        await top.start_child(ChildSpec("b", breaks, park_on_exhausted=True))
        await trio.testing.wait_all_tasks_blocked()
        assert script.of(Exited)[1].messages == ("<no messages: ZeroDivisionError>",)


@pytest.mark.parametrize("action", OnSilence)
async def test_what_silence_leads_to(script, action) -> None:
    top = script.make([script.child("a", watchdog=10, on_silence=action)])
    async with script.running(top):
        await trio.sleep(25)
        (child,) = top.snapshot().children
        if action is OnSilence.RESTART:
            assert (child.state, child.incarnation) == (State.RUNNING, 3)
        elif action is OnSilence.PARK:
            assert (child.state, child.until) == (State.PARKED, None)
            assert script.of(Parked)[0].reason == "watchdog: no tick for 10 s"
            assert not script.of(Exited)[0].exit.clean
        else:
            assert (child.state, child.incarnation) == (State.RUNNING, 1)
            assert [event.seconds for event in script.of(Silent)] == [10, 20]
            script.contexts["a"].tick()
            await trio.sleep(9)
            assert len(script.of(Silent)) == 2


async def test_reconfigure_while_not_running(script) -> None:
    top = script.make([script.child("a")])
    top.reconfigure([script.child("b")])
    async with script.running(top):
        assert [info.id for info in top.which_children()] == ["b"]
    with pytest.raises(NotRunning):
        DynamicSupervisor().reconfigure([script.child("a")])


async def test_a_restarted_supervisor_has_the_new_children_only(script) -> None:
    top = script.make([script.child("a")])
    async with script.running(top):
        top.reconfigure([script.child("b")])
        assert [(i.id, i.state) for i in top.which_children()] == [
            ("b", State.STOPPED),
            ("a", State.RUNNING),
        ]
    async with script.running(top):
        assert [(i.id, i.state) for i in top.which_children()] == [("b", State.RUNNING)]
