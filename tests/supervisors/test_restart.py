"""Restart types, strategies, budget, back-off and escalation."""

import pytest
import trio
import trio.testing

from hive.supervisors import (
    Backoff,
    ChildSpec,
    Context,
    Escalated,
    Exited,
    Ignored,
    IntensityExceeded,
    NotFound,
    Restart,
    Restarting,
    RestartIntensity,
    Shutdown,
    StartFailed,
    State,
    Strategy,
    cause_chain,
    supervisor_spec,
)

CRASH = ValueError("boom")
STEADY = Backoff(initial=0, min=1, factor=2, max=8, jitter=0, healthy_after=100)


@pytest.mark.parametrize(
    ("restart", "error", "then"),
    [
        (Restart.PERMANENT, None, State.RUNNING),
        (Restart.PERMANENT, Shutdown("done"), State.RUNNING),
        (Restart.PERMANENT, CRASH, State.RUNNING),
        (Restart.TRANSIENT, None, State.STOPPED),
        (Restart.TRANSIENT, Shutdown("done"), State.STOPPED),
        (Restart.TRANSIENT, ExceptionGroup("g", [Shutdown("done")]), State.STOPPED),
        (Restart.TRANSIENT, CRASH, State.RUNNING),
        (Restart.TEMPORARY, None, None),
        (Restart.TEMPORARY, Shutdown("done"), None),
        (Restart.TEMPORARY, CRASH, None),
    ],
)
async def test_restart_type_and_exit(script, restart, error, then) -> None:
    top = script.make([script.child("a", restart=restart), script.child("b")])
    async with script.running(top):
        await script.end("a", error)
        states = {info.id: info.state for info in top.which_children()}
        assert states.get("a") == then
        assert states["b"] is State.RUNNING
        assert script.take().count("+a") == (2 if then is State.RUNNING else 1)


async def test_a_foreign_cancelled_is_a_failure_not_a_stop(script) -> None:
    stolen: list[BaseException] = []

    async def thief(ctx: Context) -> None:
        ctx.ready()
        if stolen:
            await trio.sleep_forever()
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as cancelled:
                stolen.append(cancelled)
                raise
        raise stolen[0]

    top = script.make([ChildSpec("a", thief), script.child("b")])
    async with script.running(top):
        assert top.which_children()[0].incarnation == 2
        assert top.which_children()[1].incarnation == 1
    assert not script.of(Exited)[0].exit.clean


async def test_one_shot_children_may_be_done_before_ready(script) -> None:
    async def job(ctx: Context) -> None:
        await trio.sleep(1)

    top = script.make([ChildSpec("job", job, restart=Restart.TRANSIENT), script.child("b")])
    async with script.running(top):
        await trio.sleep(2)
        assert [i.state for i in top.which_children()] == [State.STOPPED, State.RUNNING]
        once = ChildSpec("once", job, restart=Restart.TEMPORARY)
        assert await top.start_child(once) is None
        assert len(top.which_children()) == 2


async def test_a_declined_start_keeps_the_spec_and_is_no_failure(script) -> None:
    script.fail_init["a"] = Ignored("nothing to do")
    top = script.make([script.child("a"), script.child("b")])
    async with script.running(top):
        counts = top.count_children()
        assert (counts.specs, counts.active) == (2, 1)
        del script.fail_init["a"]
        assert await top.restart_child("a") == "value of a"


@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        (Strategy.ONE_FOR_ONE, ["-b", "+b"]),
        (Strategy.REST_FOR_ONE, ["-b", "-d", "-c", "+b", "+c", "+d"]),
        (Strategy.ONE_FOR_ALL, ["-b", "-d", "-c", "-a", "+a", "+b", "+c", "+d"]),
    ],
)
async def test_strategy_decides_who_is_taken_along_and_in_which_order(
    script, strategy, log
) -> None:
    top = script.make([script.child(n, init=1, stop=1) for n in "abcd"], strategy=strategy)
    async with script.running(top):
        await trio.sleep(5)
        script.take()
        await script.end("b", CRASH)
        await trio.sleep(20)
        assert script.take() == log
        assert all(info.state is State.RUNNING for info in top.which_children())


async def test_a_group_has_one_delay_and_later_members_wait_for_earlier_ones(script) -> None:
    slow = Backoff(initial=10, min=10, jitter=0)
    top = script.make(
        [script.child("a"), script.child("b", backoff=slow), script.child("c")],
        strategy=Strategy.REST_FOR_ONE,
    )
    async with script.running(top):
        await script.end("b", CRASH)
        a, b, c = top.snapshot().children
        assert (a.state, b.state, c.state) == (State.RUNNING, State.BACKOFF, State.STOPPED)
        assert b.until == pytest.approx(10)
        assert c.reason == "waits for its turn"
        script.take()
        await trio.sleep(9.9)
        assert script.take() == []
        await trio.sleep(0.2)
        assert script.take() == ["+b", "+c"]


async def test_a_member_that_fails_to_restart_takes_the_group_along_again(script) -> None:
    top = script.make(
        [script.child(n, backoff=STEADY) for n in "abc"], strategy=Strategy.ONE_FOR_ALL
    )
    async with script.running(top):
        script.take()
        script.fail_init["b"] = CRASH
        await script.end("a", CRASH)
        assert script.take() == ["-a", "-c", "-b", *2 * ["+a", "+b", "-b", "-a"]]
        del script.fail_init["b"]
        await trio.sleep(1.1)
        assert script.take() == ["+a", "+b", "+c"]


async def test_a_crash_earlier_in_the_order_widens_a_group_restart(script) -> None:
    top = script.make(
        [script.child(n, backoff=Backoff(initial=5, min=5, jitter=0)) for n in "abc"],
        strategy=Strategy.REST_FOR_ONE,
    )
    async with script.running(top):
        script.take()
        await script.end("c", CRASH)
        await trio.sleep(3)
        await script.end("a", CRASH)
        await trio.sleep(4)
        assert script.take() == ["-c", "-a", "-b"]  # the latest failure decides the delay
        await trio.sleep(1.1)
        assert script.take() == ["+a", "+b", "+c"]


async def test_temporary_and_stopped_siblings_are_not_started_by_a_group_restart(script) -> None:
    top = script.make(
        [
            script.child("a"),
            script.child("t", restart=Restart.TEMPORARY),
            script.child("s"),
            script.child("d"),
        ],
        strategy=Strategy.ONE_FOR_ALL,
    )
    async with script.running(top):
        await top.terminate_child("s")
        script.take()
        await script.end("a", CRASH)
        assert script.take() == ["-a", "-d", "-t", "+a", "+d"]
        assert [info.id for info in top.which_children()] == ["a", "s", "d"]


async def test_a_group_restart_does_not_undo_an_ordered_stop(script) -> None:
    top = script.make([script.child("a"), script.child("b", stop=3)], strategy=Strategy.ONE_FOR_ALL)
    async with script.running(top), trio.open_nursery() as nursery:
        nursery.start_soon(top.terminate_child, "b")
        await trio.sleep(1)
        await script.end("a", CRASH)
        await trio.sleep(5)
        assert [info.state for info in top.which_children()] == [State.RUNNING, State.STOPPED]


async def test_no_member_starts_while_an_old_one_is_overdue(script) -> None:
    top = script.make(
        [script.child("a"), script.child("b", stop=60, grace=1), script.child("c")],
        strategy=Strategy.ONE_FOR_ALL,
    )
    async with script.running(top):
        script.take()
        await script.end("a", CRASH)
        await trio.sleep(59)
        assert script.take() == ["-a", "-c"]
        await trio.sleep(2)
        assert script.take() == ["-b", "+a", "+b", "+c"]


async def test_back_off_grows_is_capped_and_is_forgotten_after_health(script) -> None:
    top = script.make(
        [script.child("a", backoff=STEADY)], intensity=RestartIntensity(intensity=1000, period=1)
    )
    async with script.running(top):
        for delay in (0, 1, 2, 4, 8, 8):
            await script.end("a", CRASH)
            restarting = script.of(Restarting)[-1]
            assert restarting.until - restarting.at == pytest.approx(delay)
            await trio.sleep(delay + 0.1)
        await trio.sleep(99)
        await script.end("a", CRASH)
        assert script.of(Restarting)[-1].failures == 7  # 99.1 s is not yet healthy
        await trio.sleep(108.1)
        await script.end("a", CRASH)
        assert script.of(Restarting)[-1].failures == 1
        assert top.snapshot().children[0].restarts == 8


@pytest.mark.parametrize(("gap", "survives"), [(5.0, False), (5.001, True)])
async def test_intensity_boundary(script, gap, survives) -> None:
    fast = Backoff(initial=0, min=0.0001, max=0.0001, jitter=0)
    top = script.make(
        [script.child("a", backoff=fast)], intensity=RestartIntensity(intensity=1, period=5)
    )
    error = None
    try:
        async with script.running(top):
            await script.end("a", CRASH)
            await trio.sleep(gap)
            await script.end("a", CRASH)
            await trio.sleep(1)
            assert top.snapshot().state is (State.RUNNING if survives else State.FAILED)
    except IntensityExceeded as caught:
        error = caught
    assert (error is None) == survives


async def test_intensity_0_escalates_at_the_first_failure_and_stops_in_order(script) -> None:
    top = script.make(
        [script.child(n) for n in "abc"], intensity=RestartIntensity(intensity=0, period=1)
    )
    with pytest.raises(IntensityExceeded):
        async with script.running(top):
            script.take()
            await script.end("b", CRASH)
            assert script.take() == ["-b", "-c", "-a"]


async def test_escalation_climbs_and_keeps_the_chain_of_causes(script) -> None:
    never = RestartIntensity(intensity=0, period=1)
    low = script.make([script.child("w")], intensity=never)
    mid = script.make([supervisor_spec("low", low), script.child("m")], intensity=never)
    top = script.make([supervisor_spec("mid", mid), script.child("t")], intensity=never)
    with pytest.raises(IntensityExceeded) as caught:
        async with script.running(top):
            await script.end("w", CRASH)
    chain = cause_chain(caught.value)
    assert [getattr(error, "path", None) for error in chain] == [
        "top",
        "top/mid",
        "top/mid/low",
        None,
    ]
    assert chain[-1] is CRASH
    last = script.of(Escalated)[-1]
    assert last.path == "top"
    assert last.line().endswith("<- ValueError: boom")


async def test_a_failed_start_of_a_nested_supervisor_keeps_the_chain(script) -> None:
    script.fail_init["w"] = CRASH
    inner = script.make([script.child("w")])
    with pytest.raises(StartFailed) as caught:
        async with script.running(script.make([supervisor_spec("in", inner)])):
            pass
    paths = [getattr(error, "path", None) for error in cause_chain(caught.value)]
    assert paths == ["top/in", "top/in/w", None]


async def test_a_restarted_supervisor_begins_anew(script) -> None:
    inner = script.make([script.child("w")], intensity=RestartIntensity(intensity=0, period=1))
    top = script.make([supervisor_spec("in", inner), script.child("z")])
    async with script.running(top):
        await inner.start_child(script.child("extra"))
        script.take()
        await script.end("w", CRASH)
        assert script.take() == ["-w", "-extra", "+w"]
        node = top.snapshot().find("top/in")
        assert node is not None
        assert (node.restarts, node.incarnation, len(node.children)) == (1, 2, 1)
        with pytest.raises(NotFound):
            inner.kick("extra")


async def test_keyboard_interrupt_of_a_child_goes_up_after_the_ordered_stop(script) -> None:
    inner = script.make([script.child("b"), script.child("c")])
    top = script.make([script.child("a"), supervisor_spec("in", inner), script.child("d")])
    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(top.run, Context("top"))
            await trio.testing.wait_all_tasks_blocked()
            script.take()
            await script.end("b", KeyboardInterrupt())
    assert caught.group_contains(KeyboardInterrupt)
    assert script.take() == ["-b", "-c", "-d", "-a"]


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_a_child_that_fails_for_ever_blocks_nobody(script, strategy) -> None:
    """OTP's hanging_restart_loop: while it retries, the supervisor answers and can be stopped."""
    top = script.make(
        [script.child("a"), script.child("b", backoff=Backoff(initial=1, min=1, max=1))],
        strategy=strategy,
        intensity=RestartIntensity(intensity=1000, period=1),
    )
    async with script.running(top):
        script.fail_init["b"] = CRASH
        await script.end("b", CRASH)
        await trio.sleep(50.5)
        assert top.which_children()[1].state is State.BACKOFF
        await top.terminate_child("b")
        assert top.which_children()[1].state is State.STOPPED
        script.take()
        await trio.sleep(50)
        assert "+b" not in script.take()
