"""How a command reaches the daemon: one link, one question, errors as exit codes."""

import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio

from hive.cli.errors import NO_ANSWER, NO_DAEMON, UNSURE, USAGE, AnswerLost, CommandFailed
from hive.cli.unreachable import why_unreachable
from hive.link import LinkRefused, Peer, RemoteError, Session, connect
from hive.paths import Paths
from hive.wire.agents import AgentCommand, SetRights
from hive.wire.bodies import Body, OperatorRead
from hive.wire.budgets import SetBudget
from hive.wire.codec import PROTOCOL, WireError
from hive.wire.events import EventBatch, Resync
from hive.wire.frames import Hello
from hive.wire.gates import GateCommand
from hive.wire.logins import LoggedIn, SetCredential, UseCredential
from hive.wire.messages import Ack, OperatorSend
from hive.wire.questions import Answer
from hive.wire.tree import TreeCommand

ANSWER_S = 30.0
REPEAT_S = 15.0
"""For how long a request is repeated whose answer was lost: a daemon is restarted meanwhile."""

PAUSE_S = 0.2
UNSURE_HINT = "`hive audit` shows what was done: look there before you do it again"

_SAME_TWICE = Ack | Answer | SetRights | SetBudget | SetCredential | LoggedIn | UseCredential
_SAME_TWICE_ACTIONS: dict[type, frozenset[str]] = {
    AgentCommand: frozenset({"start", "stop"}),
    TreeCommand: frozenset({"park", "unpark", "suspend", "resume"}),
    GateCommand: frozenset({"hold", "release"}),
}

T = TypeVar("T")


class Pushes(Session):
    """Keeps what the daemon pushes for `receive`, until that is read.

    When the reader is so slow that 256 batches wait, the channel ends.
    """

    pushes = EventBatch | Resync

    def __init__(self) -> None:
        self._send, self.receive = trio.open_memory_channel[EventBatch | Resync](256)

    def pushed(self, peer: Peer, body: Body) -> None:
        if isinstance(body, EventBatch | Resync):
            try:
                self._send.send_nowait(body)
            except trio.WouldBlock:
                self._send.close()

    def closed(self, peer: Peer) -> None:
        self._send.close()


def with_daemon(
    root: Path, use: Callable[[Peer], Awaitable[T]], session: Session | None = None
) -> T:
    """Run `use` with a link to the daemon of `root`, and return what it returns.

    Raises AnswerLost when the link broke meanwhile, CommandFailed with an exit code for whatever
    else keeps the daemon from being asked.
    """
    return _run(lambda: _with_daemon(Paths(root.absolute()), use, session))


def ask(root: Path, body: Body, *, timeout: float = ANSWER_S, hint: str = UNSURE_HINT) -> Body:
    """Send the daemon of `root` one request and return its answer; raises CommandFailed.

    When the answer is lost, a request that may be asked twice is repeated for REPEAT_S. What is
    then not known to be done fails with UNSURE, and `hint` says how to find out.
    """
    return _run(lambda: _ask(Paths(root.absolute()), body, timeout, hint))


def repeatable(body: Body) -> bool:
    """Return whether sending this request twice does the same as sending it once."""
    if isinstance(body, OperatorSend):
        return body.key is not None
    if (actions := _SAME_TWICE_ACTIONS.get(type(body))) is not None:
        return getattr(body, "action", None) in actions
    return isinstance(body, OperatorRead | _SAME_TWICE)


async def _ask(paths: Paths, body: Body, timeout: float, hint: str) -> Body:
    async def question(peer: Peer) -> Body:
        return await peer.request(body, timeout=timeout)

    lost: AnswerLost | None = None
    give_up = trio.current_time() + timeout
    while True:
        try:
            return await _with_daemon(paths, question, None)
        except AnswerLost as error:
            if lost is None:
                lost, give_up = error, trio.current_time() + REPEAT_S
        except CommandFailed as error:
            if lost is None:
                raise
            if error.code not in (NO_DAEMON, NO_ANSWER):
                said = f"{error}; an earlier try, whose answer was lost, may have been done"
                raise CommandFailed(said, error.code) from None
        if not repeatable(body) or trio.current_time() >= give_up:
            if isinstance(body, OperatorRead):
                raise lost
            raise CommandFailed(f"{lost}; it may or may not have been done: {hint}", UNSURE)
        await trio.sleep(PAUSE_S)


async def _with_daemon(
    paths: Paths, use: Callable[[Peer], Awaitable[T]], session: Session | None
) -> T:
    hello = Hello(PROTOCOL, "operator", uuid.uuid4().hex)
    connected = False
    try:
        async with connect(paths.control, hello, session) as (peer, _):
            connected = True
            return await use(peer)
    except RemoteError as error:
        older = error.code in ("unknown_request", "bad_frame", "bad_answer")
        version = "; are the daemon and this command of the same version?" if older else ""
        raise CommandFailed(f"{error.message}{version}") from None
    except WireError as error:
        locale = "; is your locale UTF-8?" if "UTF-8" in str(error) else ""
        raise CommandFailed(f"this cannot be sent: {error}{locale}", USAGE) from None
    except (LinkRefused, OSError, trio.TooSlowError) as error:
        if connected:
            raise AnswerLost(error if str(error) else "its time was over") from None
        raise CommandFailed(
            *await trio.to_thread.run_sync(why_unreachable, paths, error, abandon_on_cancel=True)
        ) from None
    raise AssertionError("unreachable")


def _run(run: Callable[[], Awaitable[T]]) -> T:
    """trio.run, with Ctrl-C as it is: nurseries wrap it into groups."""
    try:
        result: T = trio.run(run)
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[0] is None:
            raise
        raise KeyboardInterrupt from None
    return result
