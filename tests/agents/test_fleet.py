"""Agents started, stopped, restarted and parked, with containers that are only said to be there."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import trio
import trio.testing
from attrs import evolve
from support.agent_socket import ask, running, take

from hive.agents import Fleet
from hive.broker import Draft
from hive.containers import Container, ContainerError, Inside
from hive.directory import AgentPark, AgentRecord
from hive.link import connect
from hive.operator.tree import OperatedTree
from hive.supervisors import Context, State
from hive.wire.agents import Spawn
from hive.wire.codec import PROTOCOL
from hive.wire.daemon import Notice
from hive.wire.frames import Hello
from hive.wire.tree import TreeCommand
from hive.wire.turns import Finish, Outcome, TurnReport

FOR_GOOD = AgentPark("holiday", None)


class Driver:
    """Its containers run until they are killed; `broken` is raised instead of an adoption."""

    def __init__(self) -> None:
        self.broken: Exception | None = None
        self.left: list[Any] = []
        """What an earlier daemon has left running."""
        self.started = 0

    def check(self) -> None: ...

    def inside(self, root: Path, name: str) -> Inside:
        return Inside(root, root)

    async def adopt(self, container: Container) -> Any:
        if self.broken is not None:
            raise self.broken
        return self.left.pop() if self.left and container.name == "ann" else None

    async def start(self, _: object) -> Any:
        self.started += 1
        return container()


def container() -> Any:
    gone = trio.Event()

    async def kill() -> None:
        gone.set()

    return SimpleNamespace(
        gone=gone, wait=gone.wait, kill=kill, detach=lambda: None, look_after=lambda: None
    )


class Scene:
    def __init__(self, fleet: Fleet, driver: Driver, published: list[Any]) -> None:
        self.fleet, self.driver, self._published = fleet, driver, published
        self.directory = fleet.dependencies.directory

    def serve(self) -> Any:
        """How the child that takes work looks; None while the agent is stopped."""
        for node in self.fleet.supervisor.child_snapshots():
            if node.id == "ann":
                return next(child for child in node.children if child.id == "serve")
        return None

    async def until(self, condition: Any) -> None:
        with trio.fail_after(10):
            while not condition():
                await trio.testing.wait_all_tasks_blocked(0.01)

    @property
    def notices(self) -> list[str]:
        return [event.text for _, event in self._published if isinstance(event, Notice)]

    @property
    def tree(self) -> OperatedTree:
        """The agents alone, under the supervisor that the operator acts on."""
        root, other = self.fleet.supervisor, Mock()
        return OperatedTree(root, self.directory, self.fleet, other, other, other)


@asynccontextmanager
async def scene_at(root: Path) -> AsyncIterator[Scene]:
    async with running(root) as other, trio.open_nursery() as nursery:
        await other.agent.dependencies.directory.want("scout", False)
        driver = Driver()
        fleet = Fleet(evolve(other.agent.dependencies, driver=lambda _: driver))
        ctx = Context("hive/agents")
        nursery.start_soon(fleet.supervisor.run, ctx)
        scene = Scene(fleet, driver, other.published)
        await scene.until(lambda: ctx.ready_at is not None)
        yield scene
        fleet.stop_containers()
        ctx.stop_requested.set()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene_at(tmp_path) as scene:
        await scene.fleet.create(Spawn("ann", driver="d"))
        yield scene


async def test_a_park_outlives_restart_stop_start_and_the_daemon(tmp_path: Path) -> None:
    async with scene_at(tmp_path) as scene:
        await scene.fleet.create(Spawn("ann", driver="d"))
        await scene.until(lambda: scene.serve().state is State.RUNNING)
        await scene.fleet.live["ann"].park(FOR_GOOD)
        await scene.until(lambda: scene.serve().state is State.PARKED)
        for act in (scene.fleet.restart, scene.fleet.stop, scene.fleet.start):
            await act("ann")
            if scene.serve() is not None:
                await scene.until(lambda: scene.serve().state is State.PARKED)
                assert scene.serve().reason == "holiday"
    async with scene_at(tmp_path) as scene:
        await scene.until(lambda: scene.serve().state is State.PARKED)
        assert scene.fleet.live["ann"].parked == FOR_GOOD


async def test_an_operators_park_that_ends_lets_the_turns_go_on_where_it_was(
    scene: Scene,
) -> None:
    agent, now = scene.fleet.live["ann"], time.time()
    turn = AgentPark("turn failed: boom", now + 3600)
    end = scene.directory.turn_ended("ann", turn, 2)
    await scene.fleet.dependencies.broker._store.write(end.write, end.then)
    await agent.park(AgentPark("lunch", now + 0.5))
    assert agent.parked is not None and agent.parked.reason == "lunch"
    await scene.until(lambda: scene.serve().state is State.PARKED)
    await scene.until(lambda: scene.serve().reason == "turn failed: boom")
    assert agent.parked == turn and agent.record.operator_park is None
    await scene.directory.unpark("ann")
    await scene.fleet.restart("ann")
    await scene.until(lambda: scene.serve().state is State.RUNNING)
    assert scene.directory.record("ann").failures == 2


async def test_a_failed_turn_waits_its_time_and_the_message_comes_again(scene: Scene) -> None:
    await scene.fleet.dependencies.broker.send(Draft("operator", "ann", "work"))
    path, hello = scene.fleet.dependencies.paths.socket("ann"), Hello(PROTOCOL, "harness", "one")
    async with connect(path, hello) as (peer, _):
        for failures in (1, 2):
            lease = (await take(peer, wait=30)).lease
            assert lease is not None and lease.messages[0].attempts == failures - 1
            await ask(peer, Finish(lease.id, TurnReport(Outcome.FAILED, "boom")))
            await scene.until(lambda: scene.serve().state is State.PARKED)
            assert scene.serve().reason == "turn failed: boom"
            assert scene.directory.record("ann").failures == failures
        await scene.tree.act(TreeCommand("ann", "unpark"))
        lease = (await take(peer, wait=30)).lease
        assert lease is not None
        await ask(peer, Finish(lease.id, TurnReport(Outcome.COMPLETED)))
    await scene.until(lambda: scene.serve().state is State.RUNNING)
    assert scene.directory.record("ann").failures == 0


async def test_a_stopped_agent_is_parked_and_unparked_by_its_name(scene: Scene) -> None:
    await scene.fleet.stop("ann")
    await scene.tree.act(TreeCommand("ann", "park", "holiday"))
    assert scene.directory.record("ann").operator_park == FOR_GOOD
    await scene.fleet.start("ann")
    await scene.until(lambda: scene.serve().state is State.PARKED)
    await scene.fleet.stop("ann")
    await scene.tree.act(TreeCommand("ann", "unpark"))
    await scene.fleet.start("ann")
    await scene.until(lambda: scene.serve().state is State.RUNNING)


async def test_acts_on_one_agent_beside_each_other_come_one_after_the_other(scene: Scene) -> None:
    async with trio.open_nursery() as nursery:
        for act in ("restart", "stop", "start", "restart", "stop"):
            nursery.start_soon(getattr(scene.fleet, act), "ann")
            await trio.lowlevel.checkpoint()
    running = [node.id for node in scene.fleet.supervisor.child_snapshots()]
    wanted = scene.directory.record("ann").wanted
    assert ("ann" in running) == ("ann" in scene.fleet.live) == wanted


async def test_a_stop_that_fails_at_the_container_does_not_keep_the_agent_from_starting(
    scene: Scene,
) -> None:
    scene.driver.broken = ContainerError("its processes do not end")
    with pytest.raises(ContainerError):
        await scene.fleet.stop("ann")
    scene.driver.broken = None
    before = scene.driver.started
    await scene.fleet.start("ann")
    assert scene.driver.started == before + 1


async def test_a_stop_that_was_cut_off_with_the_daemon_is_completed(scene: Scene) -> None:
    await scene.fleet.stop("ann")
    left = container()
    scene.driver.left.append(left)
    await scene.fleet.end_leftovers()
    assert left.gone.is_set()
    await scene.fleet.start("ann")
    scene.driver.left.append(left := container())
    await scene.fleet.end_leftovers()
    assert not left.gone.is_set(), "what should run is left alone"
    scene.driver.left.clear()
    await scene.fleet.stop("ann")
    scene.driver.broken = ContainerError("its processes do not end")
    await scene.fleet.end_leftovers()
    scene.driver.broken = None
    assert "does not end" in scene.notices[-1]


async def test_an_agent_whose_creation_was_cut_off_starts_with_the_next_daemon(
    tmp_path: Path,
) -> None:
    async with scene_at(tmp_path) as scene:
        await scene.directory.create(AgentRecord("ann", "d"))
    async with scene_at(tmp_path) as scene:
        await scene.until(lambda: scene.serve() and scene.serve().state is State.RUNNING)


async def test_rights_and_credentials_are_the_same_for_all_who_ask(scene: Scene) -> None:
    agent = scene.fleet.live["ann"]
    await scene.fleet.use_credential("ann", "work")
    await scene.fleet.allow("ann", ("bob",))
    record = scene.directory.known["ann"]
    assert record is agent.record is scene.directory.record("ann")
    assert (record.credential, record.may_send) == ("work", ("bob",))
    await scene.fleet.restart("ann")
    await scene.directory.load()
    assert (
        scene.directory.record("ann")
        == record
        == AgentRecord("ann", "d", credential="work", may_send=("bob",))
    )
