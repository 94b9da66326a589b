"""The end of a turn is told until it is answered, and not more often than that."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from harness.link import Link, NoAnswer, NotConnected
from harness.state import HarnessOptions, HarnessState
from harness.turns.serve_loop import ServeLoop
from hive.link import RemoteError
from hive.paths import AgentFolders
from hive.supervisors import Context
from hive.wire.daemon import Done
from hive.wire.turns import Finish, Lease, Outcome, TurnReport

REPORT = TurnReport(Outcome.FAILED, "boom")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Virtual time: nothing here is outside of Trio."""
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


class Scene:
    """A link whose daemon answers as the test says, each answer after some seconds."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.state = HarnessState(
            HarnessOptions("ann", AgentFolders(Path("/agents/ann")), Path("/s"))
        )
        self.link = Link(self.state, report=lambda: None, interrupt=lambda _: None)
        self.asked: list[float] = []
        self.serve = ServeLoop(self.state, self.link, SimpleNamespace())  # type: ignore[arg-type]
        self.ctx = Context("harness/serve", watchdog=10.0)
        self.ctx.ready()
        self.ctx.tick()
        self.longest_silence = 0.0

    def connect(self) -> None:
        self.link._peer = SimpleNamespace(request=self._request)
        self.link._connected.set()

    async def _request(self, body, *, timeout):
        assert body == Finish("t1", REPORT)
        self.asked.append(trio.current_time())
        seconds, answer = self.answers.pop(0)
        with trio.fail_after(timeout):
            await trio.sleep(seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def finish(self) -> None:
        with trio.fail_after(120):
            await self.serve._finish(self.ctx, Lease("t1", ()), REPORT)


async def test_a_slow_store_is_waited_for_and_not_asked_again() -> None:
    scene = Scene((9.0, Done()))
    scene.connect()
    await scene.finish()
    assert len(scene.asked) == 1


async def test_a_daemon_that_does_not_answer_is_asked_again() -> None:
    scene = Scene((60.0, Done()), (0.1, RemoteError("store_slow", "later")), (0.1, Done()))
    scene.connect()
    await scene.finish()
    assert len(scene.asked) == 3 and scene.asked[1] - scene.asked[0] == pytest.approx(10, abs=1)


@pytest.mark.parametrize("code", ["store_full", "replaced", "busy"])
async def test_a_refusal_that_is_not_about_the_turn_is_not_its_end(code: str) -> None:
    scene = Scene((0.1, RemoteError(code, "not now")), (0.1, Done()))
    scene.connect()
    await scene.finish()
    assert len(scene.asked) == 2


async def test_a_refusal_of_the_turn_is_said_and_ends_it() -> None:
    scene = Scene((0.1, RemoteError("no_lease", "unknown")))
    scene.connect()
    await scene.finish()
    ((_, notice),) = scene.state.outbox.batch()[1]
    assert "was refused: unknown" in notice.text


async def test_a_daemon_that_is_away_is_waited_for_with_signs_of_life() -> None:
    scene = Scene((0.1, Done()))
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while not scene.asked:
                scene.longest_silence = max(
                    scene.longest_silence, trio.current_time() - scene.ctx.last_tick
                )
                await trio.sleep(0.5)

        nursery.start_soon(watch)
        nursery.start_soon(scene.finish)
        await trio.sleep(45)
        scene.connect()
    assert len(scene.asked) == 1 and scene.longest_silence < 10


async def test_a_harness_that_ends_does_not_wait_for_a_daemon_that_is_away() -> None:
    scene = Scene()
    scene.serve._stopping = True
    began = trio.current_time()
    await scene.finish()
    assert scene.asked == [] and trio.current_time() - began < 5


async def test_a_request_cannot_be_repeated_before_its_answer_is_due() -> None:
    scene = Scene()
    with pytest.raises(ValueError, match="total_timeout is 2 s, it must be at least timeout: 10 s"):
        await scene.link.request(Done(), timeout=10, total_timeout=2)
    with pytest.raises(NotConnected) as raised:
        await scene.link.request(Done(), timeout=2, total_timeout=2)
    assert not isinstance(raised.value, NoAnswer)
