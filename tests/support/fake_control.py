"""A daemon as the command line sees it: the real link on the control socket, scripted answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from hive.link import Credentials, Peer, Session, serve
from hive.paths import Paths
from hive.wire.bodies import Body, OperatorBody
from hive.wire.frames import Hello

Answer = Callable[[Body], Body]


class _Control(Session):
    requests = OperatorBody

    def __init__(self, answer: Answer, asked: list[Body]) -> None:
        self._answer = answer
        self._asked = asked

    async def handle(self, peer: Peer, body: Body) -> Body:
        self._asked.append(body)
        return self._answer(body)


@contextmanager
def control(root: Path, answer: Answer) -> Iterator[list[Body]]:
    """A daemon of `root` in a thread; gives what it was asked, in order.

    `answer` may raise LinkError.
    """
    asked: list[Body] = []
    up, end = threading.Event(), trio.Event()
    tokens: list[trio.lowlevel.TrioToken] = []
    path = Paths(root).control
    path.parent.mkdir(parents=True)

    async def accept(_: Hello, __: Credentials) -> Session:
        return _Control(answer, asked)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, path, accept)
            tokens.append(trio.lowlevel.current_trio_token())
            up.set()
            await end.wait()
            nursery.cancel_scope.cancel()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        assert up.wait(5)
        yield asked
    finally:
        if tokens:
            trio.from_thread.run_sync(end.set, trio_token=tokens[0])
        thread.join(5)
