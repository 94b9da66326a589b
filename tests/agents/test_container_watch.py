"""A harness that is not heard is told of and restarted, whatever keeps it from answering."""

import math
import time
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from hive.agents import Agent, AgentDependencies, AgentsConfig, container
from hive.clock import LoopClock
from hive.directory import AgentPark, AgentRecord
from hive.supervisors import Context
from hive.wire.daemon import Notice


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


class Running:
    """A container that ends by its `deadly`-th kill."""

    log = Path("/nonexistent/log")

    def __init__(self, deadly: int = 1) -> None:
        self.ended = trio.Event()
        self.lost: str | None = None
        self.fault: OSError | None = None
        self.killed_at: list[float] = []
        self._deadly = deadly

    async def wait(self) -> str:
        await self.ended.wait()
        return "killed by SIGKILL"

    async def kill(self) -> None:
        await trio.lowlevel.checkpoint()
        self.killed_at.append(trio.current_time())
        if len(self.killed_at) == self._deadly:
            self.ended.set()

    def detach(self) -> None:
        self.detached = True

    def look_after(self) -> str | None:
        if self.fault is not None:
            raise self.fault
        return self.lost


class Hive:
    """What an agent's container needs of its surroundings."""

    def __init__(self, running: Running, silence: float = 30.0) -> None:
        self.notices: list[str] = []
        self.changes: list[tuple[float, str | None]] = []
        self.woken: list[str] = []
        self.ctx = Context("hive/agents/scout/container")
        self.running = running
        nothing: dict[str, Any] = dict.fromkeys(attrs.fields_dict(AgentDependencies))
        dependencies = AgentDependencies(
            **nothing
            | {
                "paths": self,
                "config": AgentsConfig(harness_silence_s=silence, stop_grace_s=1.0),
                "broker": self,
                "driver": lambda _: self,
                "publish": lambda _, event, at: self._publish(event),
                "changed": lambda _: self.changes.append((trio.current_time(), self.ctx.note_text)),
                "readonly": (),
                "redact": lambda value: value,
                "directory": self,
            }
        )
        self.agent = Agent("scout", dependencies)
        self.agent.subtree = self  # type: ignore[assignment]

    root = Path("/nonexistent")
    kept = AgentRecord("scout", "none")

    def record(self, _: str) -> AgentRecord:
        return self.kept

    async def park(self, _: str, park: AgentPark) -> None:
        self.kept = attrs.evolve(self.kept, operator_park=park)
        await trio.lowlevel.checkpoint()

    def inside(self, root: Path, name: str) -> Any:
        from hive.containers.driver import Inside

        return Inside(root, root / "hive.sock")

    async def adopt(self, _: object) -> Running:
        await trio.lowlevel.checkpoint()
        return self.running

    async def release(self, name: str, *, count: bool, why: str) -> None:
        await trio.lowlevel.checkpoint()

    def unpark(self, child: str) -> None:
        self.woken.append(child)

    def _publish(self, event: object) -> None:
        assert isinstance(event, Notice)
        self.notices.append(event.text)

    async def run(self) -> None:
        await container.run(self.ctx, self.agent)

    async def run_until_it_ends(self) -> float:
        with pytest.raises(container.ContainerEnded):
            await self.run()
        return self.running.killed_at[0]


async def test_a_harness_that_never_connects_is_restarted_though_it_may_take_its_time() -> None:
    hive = Hive(Running())
    assert 60 < await hive.run_until_it_ends() < 75
    assert hive.notices[0].startswith("scout: its harness has not answered for 6")


async def test_one_that_falls_silent_is_told_of_and_then_restarted() -> None:
    hive = Hive(Running())

    async def report() -> None:
        for _ in range(10):
            await trio.sleep(5)
            hive.agent.has_connected = True
            hive.agent.heard()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(report)
        killed_at = await hive.run_until_it_ends()
    assert 50 + 30 < killed_at < 50 + 40
    told = next((at, text) for at, text in hive.changes if at > 50)
    assert 60 < told[0] < 70, "the operator's page learns of it long before"
    assert str(told[1]).startswith("its harness has not answered for 1")


async def test_one_that_answers_again_is_left_alone() -> None:
    hive = Hive(Running())

    async def report() -> None:
        await trio.sleep(25)
        hive.agent.has_connected = True
        assert hive.ctx.note_text is not None
        for _ in range(200):
            hive.agent.heard()
            await trio.sleep(5)
        assert hive.ctx.note_text is None
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(report)
        nursery.start_soon(hive.run)
    assert hive.running.killed_at == [] and hive.notices == []


async def test_a_container_whose_keeper_is_stopped_is_killed_with_its_keeper() -> None:
    hive = Hive(Running(deadly=2))
    await hive.run_until_it_ends()
    first, second = hive.running.killed_at
    assert second - first == pytest.approx(container.KILL_WAIT_S)


async def test_stopping_an_agent_whose_keeper_is_stopped_comes_to_an_end() -> None:
    hive = Hive(Running(deadly=2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hive.run)
        await trio.testing.wait_all_tasks_blocked()
        hive.agent.stopping = True
        nursery.cancel_scope.cancel()
    assert len(hive.running.killed_at) == 2


def test_a_daemon_that_stood_still_takes_nobody_for_dead(tmp_path: Path) -> None:
    """What the harness has reported meanwhile is not read yet when the daemon goes on."""
    skipped = 0.0

    async def main() -> None:
        nonlocal skipped
        hive = Hive(Running(), silence=12.0)

        async def report() -> None:
            nonlocal skipped
            await trio.sleep(0.1)
            skipped = 3600.0
            await trio.sleep(4)  # longer than the watch's next look
            hive.agent.heard()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(report)
            nursery.start_soon(hive.run)
        assert hive.running.killed_at == [] and hive.notices == []

    trio.run(main, clock=LoopClock(lambda: time.perf_counter() + skipped))


@pytest.mark.parametrize(("jump", "ends_by"), [(-7200.0, "Trio's"), (7200.0, "the wall")])
async def test_a_park_of_seconds_ends_however_the_wall_clock_is_set(
    jump: float, ends_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: wall + trio.current_time())
    hive = Hive(Running())
    endless = AgentsConfig(harness_silence_s=math.inf)
    hive.agent.dependencies = attrs.evolve(hive.agent.dependencies, config=endless)
    length = 20.0 if jump < 0 else 3600.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hive.run)
        await trio.sleep(1)
        await hive.agent.park(AgentPark("until later", time.time() + length))
        await trio.sleep(6)
        assert hive.agent.why_waiting is not None
        wall += jump
        await trio.sleep(length + 10 if jump < 0 else 10)
        assert hive.agent.why_waiting is None, f"{ends_by} clock says that it is over"
        assert hive.woken == ["serve"]
        nursery.cancel_scope.cancel()


async def test_one_that_sees_a_removed_folder_is_restarted_between_two_turns() -> None:
    hive = Hive(Running(), silence=1e6)
    hive.agent.open.set()

    async def turn() -> None:
        hive.agent.work_began("a lease")
        await trio.sleep(7)
        hive.running.lost = "run/agents/scout"
        await trio.sleep(50)
        assert not hive.agent.open.is_set(), "no other turn begins"
        assert hive.running.killed_at == []
        hive.agent.work_began(None)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turn)
        assert 57 < await hive.run_until_it_ends() < 57 + 2 * container.LOOK_S
    assert "run/agents/scout was removed or replaced" in hive.notices[0]


async def test_a_record_that_cannot_be_written_is_said_once_and_tried_again() -> None:
    hive = Hive(Running(), silence=1e6)
    hive.running.fault = OSError("no space left")

    async def mend() -> None:
        await trio.sleep(42)
        assert hive.running.killed_at == []
        hive.running.fault, hive.running.lost = None, "agents/scout/state"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(mend)
        assert 42 < await hive.run_until_it_ends() < 42 + 2 * container.LOOK_S
    said = [text for text in hive.notices if "cannot be written: no space left" in text]
    assert len(said) == 1
