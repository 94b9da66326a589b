"""Park of an actor, and what outlives an incarnation: mailbox, name, monitors, timers."""

import pytest
import trio
import trio.testing
from support.obedient import Obedient, raises, serving, sleeps

from hive.actors import (
    Actor,
    ActorDied,
    ActorDown,
    ActorHost,
    ActorParked,
    ExitKind,
    Full,
    MailboxFull,
    NameTaken,
    NoActor,
    Park,
    Registry,
    get_status,
)
from hive.supervisors import (
    Backoff,
    ChildSpec,
    RestartIntensity,
    State,
    Strategy,
    Supervisor,
    Unparked,
)

pytestmark = pytest.mark.usefixtures("puppets")  # for the random schedules
AT_ONCE = Backoff(initial=0, healthy_after=0)


class ActorUnderTest:
    """An actor below a supervisor, with all its incarnations."""

    def __init__(self, *, strategy: Strategy = Strategy.ONE_FOR_ONE, **how: object) -> None:
        self.lives: list[Obedient] = []
        self.events: list[object] = []
        self.registry = Registry()
        mine = {key: how.pop(key) for key in ("capacity", "full", "unparked_by") if key in how}
        self.host = ActorHost(self._make, name="subject", **mine)  # type: ignore[arg-type]
        self.ref = self.host.ref
        spec = ChildSpec("subject", self.host.run, **{"backoff": AT_ONCE, "park_jitter": 0} | how)
        self.top = Supervisor(
            [spec], strategy=strategy, intensity=RestartIntensity(2, 10), sink=self.events.append
        )

    def _make(self) -> Actor:
        self.lives.append(Obedient(self.registry))
        return self.lives[-1]

    async def rest(self, until: float | None = None) -> None:
        await self.ref.cast(raises(Park("rests", until)))
        await trio.testing.wait_all_tasks_blocked()
        assert self.state is State.PARKED

    @property
    def state(self) -> State:
        return self.top.which_children()[0].state

    @property
    def seen(self) -> list[object]:
        return self.lives[-1].seen


# -- park --------------------------------------------------------------------------------------


async def test_park_name_and_mailbox_stay_and_casts_wait_in_order_until_its_time() -> None:
    subject = ActorUnderTest()
    async with serving(subject.top):
        await subject.rest(until=50.0)
        for number in range(3):
            await subject.ref.cast(number)
        subject.ref.cast_nowait(3)
        with pytest.raises(ActorParked, match="rests") as caught:
            await subject.ref.call("x", timeout=1000)
        assert (caught.value.until, trio.current_time()) == (50.0, 0.0)
        assert not subject.ref.alive
        assert subject.ref.parked.reason == "rests"
        assert subject.registry.whereis("obedient") is subject.ref
        await trio.sleep(51)
        assert await subject.ref.call("now") == "now"
        assert subject.seen == [0, 1, 2, 3, "now"]
        assert len(subject.lives) == 2
        assert subject.registry.whereis("obedient") is subject.ref


@pytest.mark.parametrize("moment", ["handled", "queued", "deferred", "waiting for room"])
async def test_park_calls_that_wait_get_parked_at_once(moment: str) -> None:
    subject = ActorUnderTest(capacity=2)
    failures = []

    async def ask(message: object) -> None:
        with pytest.raises(ActorParked) as caught:
            await subject.ref.call(message, timeout=1000)
        failures.append((trio.current_time(), caught.value.until))

    async def park(actor: Obedient) -> None:
        await trio.sleep(5)
        raise Park("rests", 50.0)

    async with serving(subject.top), trio.open_nursery() as nursery:
        if moment == "handled":
            nursery.start_soon(ask, park)
        elif moment == "deferred":
            nursery.start_soon(ask, "defer")
            await trio.testing.wait_all_tasks_blocked()
            await subject.ref.cast(park)
        else:
            await subject.ref.cast(park)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(4 if moment == "waiting for room" else 2):
                nursery.start_soon(ask, "x")
                await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(10)
        assert set(failures) == {(5, 50.0)}
        await trio.sleep(100)
        assert subject.seen == []


async def test_park_the_backlog_of_casts_stays_and_comes_first() -> None:
    subject = ActorUnderTest()
    async with serving(subject.top):
        await subject.ref.cast(sleeps(1))
        await trio.testing.wait_all_tasks_blocked()
        await subject.ref.cast(raises(Park("rests", 50.0)))
        for number in range(3):
            await subject.ref.cast(number)
        await trio.sleep(2)
        assert subject.state is State.PARKED
        await subject.ref.cast("during the park")
        await trio.sleep(60)
        assert subject.seen == [0, 1, 2, "during the park"]


@pytest.mark.parametrize("full", Full)
async def test_park_the_stash_is_bounded_by_the_mailboxs_policy(full: Full) -> None:
    subject = ActorUnderTest(capacity=2, full=full)
    async with serving(subject.top), trio.open_nursery() as nursery:
        await subject.rest(until=50.0)
        await subject.ref.cast(0)
        await subject.ref.cast(1)
        match full:
            case Full.WAIT:
                nursery.start_soon(subject.ref.cast, 2)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(MailboxFull):
                    subject.ref.cast_nowait(3)
            case Full.REFUSE:
                with pytest.raises(MailboxFull):
                    await subject.ref.cast(2)
            case Full.DROP_OLDEST:
                await subject.ref.cast(2)
        await trio.sleep(60)
        assert subject.seen == {"wait": [0, 1, 2], "refuse": [0, 1], "drop_oldest": [1, 2]}[full]


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("lane", ["call", "cast", "cast_nowait"])
async def test_park_a_message_that_its_host_names_unparks(strategy: Strategy, lane: str) -> None:
    subject = ActorUnderTest(strategy=strategy, unparked_by=lambda message: message == "urgent")
    async with serving(subject.top):
        await subject.rest()
        await subject.ref.cast("not urgent")
        await trio.sleep(100)
        assert subject.state is State.PARKED
        match lane:
            case "call":
                assert await subject.ref.call("urgent") == "urgent"
            case "cast":
                await subject.ref.cast("urgent")
            case "cast_nowait":
                subject.ref.cast_nowait("urgent")
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == 100
        assert subject.seen == ["not urgent", "urgent"]
        (unparked,) = [event for event in subject.events if isinstance(event, Unparked)]
        assert unparked.by == "message"


async def test_park_by_the_operator_keeps_the_place_too_and_no_message_ends_it() -> None:
    subject = ActorUnderTest(unparked_by=lambda message: True)
    async with serving(subject.top):
        await subject.ref.cast(sleeps(1))
        await trio.testing.wait_all_tasks_blocked()
        await subject.ref.cast("backlog")
        subject.top.park("subject", "maintenance", until=50.0)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ActorParked, match="maintenance"):
            await subject.ref.call("x")
        await subject.ref.cast("during the park")
        assert subject.state is State.PARKED
        subject.top.unpark("subject")
        await trio.testing.wait_all_tasks_blocked()
        assert subject.seen == ["backlog", "during the park"]
        assert subject.registry.whereis("obedient") is subject.ref


async def test_park_again_with_another_deadline_is_what_callers_get() -> None:
    subject = ActorUnderTest()
    async with serving(subject.top):
        await subject.rest(until=50.0)
        subject.top.park("subject", "longer", until=90.0)
        with pytest.raises(ActorParked) as caught:
            await subject.ref.call("x")
        assert (caught.value.until, caught.value.reason) == (90.0, "longer")


async def test_park_after_an_exceeded_intensity_answers_like_any_other() -> None:
    park_backoff = Backoff(initial=40, min=40, max=40, jitter=0)
    subject = ActorUnderTest(
        park_on_exhausted=True, park_backoff=park_backoff, unparked_by=lambda message: True
    )
    async with serving(subject.top):
        for _ in range(3):
            await subject.ref.cast(raises(ValueError("boom")))
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(ActorParked, match="exceeded") as caught:
            await subject.ref.call("x")
        assert caught.value.until == 40
        await subject.ref.cast("kept")
        assert subject.state is State.PARKED
        await trio.sleep(41)
        assert subject.seen == ["kept"]


async def test_park_during_init_keeps_early_messages() -> None:
    parks = [Park("not yet", 10.0)]

    class Late(Obedient):
        async def init(self) -> None:
            await trio.sleep(1)
            if parks:
                raise parks.pop()

    actors = []
    host = ActorHost(lambda: actors.append(Late()) or actors[-1], name="late")
    top = Supervisor([ChildSpec("late", host.run, park_jitter=0)], sink=lambda event: None)
    async with serving(top):
        await host.ref.cast("early")
        await trio.sleep(20)
        assert actors[-1].seen == ["early"]


@pytest.mark.parametrize("how", ["terminate", "stop"])
async def test_park_that_is_given_up_tells_all_who_wait(how: str) -> None:
    subject = ActorUnderTest(capacity=1)
    async with serving(subject.top), trio.open_nursery() as nursery:
        await subject.rest()
        await subject.ref.cast(0)
        refused = []

        async def send() -> None:
            with pytest.raises(NoActor):
                await subject.ref.cast("no room")
            refused.append(trio.current_time())

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        if how == "terminate":
            await subject.top.terminate_child("subject")
        else:
            subject.top.stop()
        await trio.testing.wait_all_tasks_blocked()
        assert refused == [0]
        assert subject.registry.names() == ()
        with pytest.raises(NoActor):
            await subject.ref.call("x")
        if how == "terminate":
            await subject.top.restart_child("subject")
            assert await subject.ref.call("x") == "x"
            assert subject.seen == ["x"]


async def test_park_what_was_postponed_stays() -> None:
    subject = ActorUnderTest()
    async with serving(subject.top):
        await subject.ref.cast(lambda actor: actor.postpone() and None)
        await subject.rest(until=5.0)
        subject.lives.clear()
        await trio.sleep(6)
        status = await get_status(subject.ref)
        assert status.postponed == 1  # handled again, and postponed again


async def test_park_needs_no_intensity() -> None:
    subject = ActorUnderTest()
    async with serving(subject.top):
        for number in range(1, 20):
            await subject.rest(until=trio.current_time() + 0.1)
            await trio.sleep(0.2 + 40)  # a park in a row waits longer
            assert len(subject.lives) == number + 1


# -- crashes, monitors, names, timers ----------------------------------------------------------


async def test_a_crash_keeps_nothing_and_frees_the_name_at_once() -> None:
    subject = ActorUnderTest(backoff=Backoff(initial=10, jitter=0))
    async with serving(subject.top):
        downs = []

        def look(down: ActorDown) -> None:
            downs.append((down, subject.registry.names(), subject.ref.alive))

        subject.ref.monitor(look)
        subject.ref.cast_nowait(raises(ValueError("boom")))
        subject.ref.cast_nowait("lost")
        await trio.testing.wait_all_tasks_blocked()
        ((down, names, alive),) = downs
        assert (down.exit.kind, down.park, names, alive) == (ExitKind.CRASHED, None, (), False)
        with pytest.raises(NoActor):
            await subject.ref.cast("x")
        await trio.sleep(11)
        assert subject.seen == []


async def test_monitors_tell_once_each_also_across_parks_and_of_the_dead_and_the_parked() -> None:
    subject = ActorUnderTest()
    async with serving(subject.top):
        downs = []
        for _ in range(20):
            subject.ref.monitor(downs.append)
        for one in [subject.ref.monitor(downs.append) for _ in range(20)]:
            one.cancel()
        await subject.rest(until=5.0)
        assert len(downs) == 20
        assert {(down.incarnation, down.exit.kind) for down in downs} == {(1, ExitKind.PARKED)}
        subject.ref.monitor(downs.append)
        assert downs[20].park is subject.ref.parked
        await trio.sleep(6)
        await subject.ref.stop()
        assert len(downs) == 21
    subject.ref.monitor(downs.append)
    assert (downs[21].incarnation, downs[21].exit.detail) == (0, "no such actor")


async def test_a_watchdogs_stop_is_told_to_monitors_as_the_crash_that_it_is() -> None:
    host = ActorHost(Obedient, name="hangs", tick_every=1.0)
    top = Supervisor([ChildSpec("hangs", host.run, watchdog=3.0)], sink=lambda event: None)
    async with serving(top):
        with pytest.raises(ActorDied) as caught:
            await host.ref.call(sleeps(1000), timeout=500)
        assert caught.value.exit.kind is ExitKind.CRASHED
        assert "watchdog" in caught.value.exit.detail


async def test_simple_global_supervisor_names_are_unique_and_registered_anew() -> None:
    subject = ActorUnderTest()
    other = ActorHost(Obedient, name="other")
    async with serving(subject.top):
        with pytest.raises(NoActor):
            subject.registry.register("ghost", other.ref)
        await subject.rest(until=5.0)
        with pytest.raises(NameTaken):
            subject.registry.register("obedient", other.ref)
        await trio.sleep(6)
        await subject.ref.stop()
        await trio.testing.wait_all_tasks_blocked()
        assert subject.registry.whereis("obedient") is subject.ref  # the next one took it again
        assert len(subject.lives) == 3


async def test_timers_end_with_their_incarnation() -> None:
    subject = ActorUnderTest()
    async with serving(subject.top):
        subject.lives[0].send_after(5, "of the first")
        subject.lives[0].send_every(1, "of the first")
        await subject.ref.cast(raises(ValueError("boom")))
        await trio.sleep(20)
        assert len(subject.lives) == 2
        assert subject.lives[1].infos == []


async def test_the_operators_suspend_halts_an_actor_and_a_stop_still_ends_it() -> None:
    subject = ActorUnderTest()
    async with serving(subject.top):
        subject.top.suspend("subject")
        await subject.ref.cast("waits")
        await trio.sleep(10)
        assert subject.seen == []
        subject.top.resume("subject")
        await trio.testing.wait_all_tasks_blocked()
        assert subject.seen == ["waits"]
        subject.top.suspend("subject")
        await trio.testing.wait_all_tasks_blocked()
        await subject.ref.stop(timeout=1)
