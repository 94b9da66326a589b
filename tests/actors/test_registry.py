"""Names and groups end with the incarnation that was registered."""

import pytest
import trio.testing

from hive.actors import Actor, NameTaken, NoActor, Registry


async def test_a_name_is_unique_and_free_again_after_the_end(running) -> None:
    registry = Registry()
    async with running(Actor) as one, running(Actor) as two:
        registry.register("boss", one)
        assert registry.whereis("boss") is one
        with pytest.raises(NameTaken):
            registry.register("boss", two)
        await one.stop()
        with pytest.raises(NoActor):
            registry.whereis("boss")
        registry.register("boss", two)
        with pytest.raises(NoActor):
            registry.register("ghost", one)
        registry.unregister("boss")
        assert registry.names() == ()


async def test_the_end_of_a_former_owner_takes_no_name_away(running) -> None:
    registry = Registry()
    async with running(Actor) as one, running(Actor) as two:
        registry.register("boss", one)
        registry.unregister("boss")
        registry.register("boss", two)
        await one.stop()
        assert registry.whereis("boss") is two


async def test_groups(running) -> None:
    registry = Registry()
    async with running(Actor) as one, running(Actor) as two:
        for ref in (one, two, one):
            registry.join("workers", ref)
        assert registry.members("workers") == (one, two)
        await one.stop()
        await trio.testing.wait_all_tasks_blocked()
        assert registry.members("workers") == (two,)
        registry.leave("workers", two)
        assert registry.members("workers") == ()
