"""An actor as the child of a supervisor."""

import pytest
import trio
import trio.testing

from hive.actors import Actor, ActorDied, ActorHost
from hive.supervisors import ChildSpec, Context, Supervisor


class Counter(Actor):
    def __init__(self):
        self.count = 0

    async def handle_call(self, message, reply):
        if message == "hang":
            await trio.sleep_forever()
        self.count += message
        return self.count


async def test_it_is_restarted_and_its_reference_goes_on() -> None:
    host = ActorHost(Counter, name="counter", tick_every=1.0)
    top = Supervisor([ChildSpec("counter", host.run, watchdog=5.0)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(top.run, Context("top"))
        await trio.testing.wait_all_tasks_blocked()
        assert await host.ref.call(1) == 1
        with pytest.raises(ActorDied):
            await host.ref.call("not a number")
        await trio.testing.wait_all_tasks_blocked()
        assert await host.ref.call(1) == 1  # a new one
        await trio.sleep(100)
        assert top.which_children()[0].incarnation == 2  # idle is not silent
        with pytest.raises(ActorDied):  # the watchdog ends it before the caller's patience does
            await host.ref.call("hang", timeout=20)
        await trio.sleep(1)
        assert top.which_children()[0].incarnation == 3
        nursery.cancel_scope.cancel()


async def test_a_failed_init_is_a_failed_start() -> None:
    class Broken(Actor):
        async def init(self):
            raise OSError("no")

    top = Supervisor([ChildSpec("broken", ActorHost(Broken, name="broken").run)])
    with pytest.raises(Exception, match="top/broken did not start: OSError: no"):
        await top.run(Context("top"))
