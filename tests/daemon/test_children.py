"""A child process that does not answer is told of, killed with its group, and started anew."""

import os
import signal

import pytest
import trio

from hive.daemon import children
from hive.daemon.children import ChildEnded, child_process
from hive.supervisors import Backoff, ChildSpec, Context, Supervisor

ANSWERS = "echo ready $$; while read -r line; do echo; done"
DEAF = "echo ready $$; exec sleep 1000"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "ASK_EVERY_S", 0.1)
    monkeypatch.setattr(children, "SILENT_S", 0.3)
    monkeypatch.setattr(children, "TERM_S", 0.2)


class Under:
    """A supervisor with one child process, and what that says."""

    def __init__(self, script: str) -> None:
        self.said, self._heard = trio.open_memory_channel[str](10)
        self.notes: set[str] = set()

        async def run(ctx: Context) -> None:
            self.ctx = ctx
            await child_process(ctx, argv=("sh", "-c", script), say=self.said.send_nowait)

        spec = ChildSpec("web", run, watchdog=1.5, backoff=Backoff(initial=0.01, jitter=0))
        self.top = Supervisor([spec])

    async def pid(self) -> int:
        """The pid of the next process that says that it is ready."""
        return int((await self._heard.receive()).split()[1])

    async def watch(self) -> None:
        while True:
            self.notes.add(self.ctx.note_text or "")
            await trio.sleep(0.02)


@pytest.mark.parametrize("script", [ANSWERS, DEAF], ids=["stopped", "deaf"])
async def test_a_process_that_does_not_answer_is_told_of_and_replaced(script: str) -> None:
    under = Under(script)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(under.top.run, Context("hive"))
            first = await under.pid()
            nursery.start_soon(under.watch)
            if script is ANSWERS:
                os.kill(first, signal.SIGSTOP)
            second = await under.pid()
            assert second != first
            with pytest.raises(ProcessLookupError):
                os.kill(first, 0)
            nursery.cancel_scope.cancel()
    assert any(note.startswith("has not answered for ") for note in under.notes)


async def test_one_that_answers_lives_on() -> None:
    under = Under(ANSWERS)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(under.top.run, Context("hive"))
            await under.pid()
            nursery.start_soon(under.watch)
            await trio.sleep(2.5)  # longer than its watchdog
            assert under.top.which_children()[0].incarnation == 1
            nursery.cancel_scope.cancel()


async def test_its_end_is_told() -> None:
    with pytest.raises(ChildEnded, match="ended with status 3"):
        await child_process(
            Context("web"), argv=("sh", "-c", "echo ready; exit 3"), say=lambda _: None
        )
