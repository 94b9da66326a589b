"""J. Robustness."""

import pytest
import trio
from support.puppets import AT_ONCE, CRASH, GENEROUS, settle, states

from hive.actors import Actor, ActorHost, Registry
from hive.supervisors import (
    AlreadyPresent,
    Backoff,
    ChildSpec,
    Context,
    IntensityExceeded,
    NotStopped,
    Overdue,
    RestartIntensity,
    State,
    StillRunning,
    Strategy,
    cause_chain,
    supervisor_spec,
)

SLOW = Backoff(initial=60, min=60, max=60, jitter=0)


async def test_child_unlink(puppets) -> None:
    """Adapted: a task cannot cut its link; the worst it can do is to ignore its cancellation."""
    release = trio.Event()

    async def deaf(ctx: Context) -> None:
        ctx.ready()
        with trio.CancelScope(shield=True):
            await release.wait()

    top = puppets.make([ChildSpec("deaf", deaf, grace=1), puppets.child("b")])
    async with puppets.up(top) as run:
        with pytest.raises(NotStopped):
            await top.terminate_child("deaf")
        assert states(top) == {"deaf": State.OVERDUE, "b": State.RUNNING}
        assert await top.start_child(puppets.child("c")) == "value of c"
        top.stop()
        await trio.sleep(10)
        assert states(top)["b"] is State.STOPPED
        assert not run.ended.is_set()
        release.set()
        await run.ended.wait()
    assert len(puppets.of(Overdue, "deaf")) == 1


async def test_tree(puppets) -> None:
    intensity = RestartIntensity(intensity=1, period=3600)
    leaf = puppets.make([puppets.child("a"), puppets.child("b")], intensity=intensity)
    middle = puppets.make(
        [supervisor_spec("leaf", leaf, backoff=AT_ONCE), puppets.child("m")], intensity=intensity
    )
    top = puppets.make([supervisor_spec("middle", middle, backoff=AT_ONCE)], intensity=intensity)
    async with puppets.up(top) as run:
        await leaf.start_child(puppets.child("added"))
        await puppets.end("a", CRASH)  # stays local
        assert top.snapshot().find("top/middle/leaf").incarnation == 1
        assert states(leaf) == dict.fromkeys(("a", "b", "added"), State.RUNNING)
        await puppets.end("a", CRASH)  # one too many: leaf is rebuilt, without what was added
        assert top.snapshot().find("top/middle/leaf").incarnation == 2
        assert states(leaf) == {"a": State.RUNNING, "b": State.RUNNING}
        puppets.inits["b"] = OSError("not again")
        await puppets.end("b", CRASH)  # its start fails: climbs to the top
        await run.ended.wait()
    gave_up, *failed, cause = cause_chain(run.error)
    assert (type(gave_up), gave_up.path) == (IntensityExceeded, "top")
    assert [one.path for one in failed] == ["top/middle/leaf", "top/middle/leaf/b"]
    assert cause is puppets.inits["b"]


async def test_simple_global_supervisor(puppets) -> None:
    """Adapted: names are those of our Registry."""
    registry = Registry()

    class Named(Actor):
        async def init(self) -> None:
            registry.register("boss", self.ref)

        async def handle_cast(self, message: object) -> None:
            if isinstance(message, Exception):
                raise message
            await self.ref.stop()

    host = ActorHost(Named, name="named")
    top = puppets.make([ChildSpec("named", host.run, backoff=AT_ONCE)], intensity=GENEROUS)
    async with puppets.up(top):
        for step in (lambda: host.ref.cast(CRASH), lambda: top.terminate_child("named")):
            assert registry.whereis("boss") is host.ref
            await step()
            await settle()
            if states(top) == {"named": State.STOPPED}:
                assert registry.names() == ()
                await top.restart_child("named")
        top.kick("named")
        await settle()
        assert registry.names() == ("boss",)
    assert registry.names() == ()


async def _hanging_restart_loop(puppets, top) -> None:
    """While a child fails to restart again and again, the supervisor answers and obeys."""
    async with puppets.up(top) as run:
        puppets.inits["a"] = OSError("not now")
        await puppets.end("a", CRASH)
        assert states(top)["a"] is State.BACKOFF
        with pytest.raises(AlreadyPresent, match="backoff"):
            await top.start_child(puppets.child("a"))
        with pytest.raises(StillRunning, match="backoff"):
            await top.restart_child("a")
        with pytest.raises(StillRunning, match="backoff"):
            top.delete_child("a")
        assert top.count_children().backoff >= 1
        await trio.sleep(600)
        assert states(top)["a"] is State.BACKOFF
        await top.terminate_child("a")
        assert states(top).get("a") in (State.STOPPED, None)
        top.stop()
        await run.ended.wait()
    assert run.error is None


async def test_hanging_restart_loop(puppets) -> None:
    top = puppets.make([puppets.child("a", backoff=SLOW)], intensity=GENEROUS)
    await _hanging_restart_loop(puppets, top)


async def test_hanging_restart_loop_rest_for_one(puppets) -> None:
    children = [puppets.child("first"), puppets.child("a", backoff=SLOW), puppets.child("last")]
    top = puppets.make(children, strategy=Strategy.REST_FOR_ONE, intensity=GENEROUS)
    await _hanging_restart_loop(puppets, top)


async def test_hanging_restart_loop_simple(puppets) -> None:
    top = puppets.dynamic([puppets.child("a", backoff=SLOW)], intensity=GENEROUS)
    await _hanging_restart_loop(puppets, top)


async def test_order_of_children(puppets) -> None:
    children = [puppets.child(name) for name in "abcde"]
    top = puppets.make(children, strategy=Strategy.REST_FOR_ONE)
    async with puppets.up(top):
        assert puppets.take() == ["+a", "+b", "+c", "+d", "+e"]
        await puppets.end("c", CRASH)
        assert puppets.take() == ["-c", "-e", "-d", "+c", "+d", "+e"]
    assert puppets.take() == ["-e", "-d", "-c", "-b", "-a"]
