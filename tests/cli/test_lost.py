"""Answers that are lost: what may be repeated is, under the same key; the rest is told honestly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest
import trio
from click.testing import CliRunner, Result
from support import fake_control

import hive.cli.ask
from hive.cli import main
from hive.cli.ask import repeatable
from hive.link import LinkClosed, LinkError, Peer
from hive.wire.agents import AgentCommand, Spawn
from hive.wire.bodies import Body, OperatorBody, OperatorRead
from hive.wire.daemon import Done, Down
from hive.wire.events import Events, GetEvents
from hive.wire.gates import GateCommand
from hive.wire.messages import (
    Awaited,
    Count,
    Message,
    MessageState,
    OperatorSend,
    Resolve,
    Sent,
    WaitReply,
)
from hive.wire.tree import TreeCommand

Answer = Callable[[Body], Body]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hive.cli.ask, "REPEAT_S", 3.0)
    monkeypatch.setattr(hive.cli.ask, "PAUSE_S", 0.01)


@contextmanager
def losing(
    root: Path,
    answer: Answer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    lost: int = 1,
    of: type = object,
) -> Iterator[list[Body]]:
    """A daemon that does the first `lost` requests `of` a class, but breaks the link at once."""
    whole, left = fake_control._Control.handle, lost

    async def handle(self: fake_control._Control, peer: Peer, body: Body) -> Body:
        nonlocal left
        done = await whole(self, peer, body)
        if left > 0 and isinstance(body, of):
            left -= 1
            await peer.close("the daemon was killed")
            raise LinkClosed("the daemon was killed")
        return done

    monkeypatch.setattr(fake_control._Control, "handle", handle)
    with fake_control.control(root, answer) as asked:
        yield asked


def command(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--root", str(root)])


def test_a_send_whose_answer_was_lost_is_repeated_under_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with losing(tmp_path, lambda _: Sent(7), monkeypatch, lost=2) as asked:
        done = command(tmp_path, "send", "ann", "hello")
    assert (done.exit_code, done.output) == (0, "7\n")
    keys = {one.key for one in asked if isinstance(one, OperatorSend)}
    assert len(asked) == 3 and len(keys) == 1 and None not in keys


def test_two_sends_have_two_keys_unless_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_control.control(tmp_path, lambda _: Sent(1)) as asked:
        for more in ((), (), ("--key", "mine"), ("--key", "mine")):
            assert command(tmp_path, "send", "ann", "hello", *more).exit_code == 0
    first, second, *given = [one.key for one in asked if isinstance(one, OperatorSend)]
    assert first != second and given == ["mine", "mine"]


def test_a_daemon_that_stays_away_leaves_it_unsure_and_says_how_to_be_sure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hive.cli.ask, "REPEAT_S", 0.3)
    with losing(tmp_path, lambda _: Sent(7), monkeypatch, lost=999) as asked:
        done = command(tmp_path, "send", "ann", "hello", "--key", "k1")
    assert done.exit_code == 5 and len(asked) > 1
    assert "may or may not have been done" in done.output and "--key k1" in done.output


def test_what_must_not_be_done_twice_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (
        ("spawn", "bob"),
        ("restart", "bob"),
        ("destroy", "bob", "--yes"),
        ("kick", "bob"),
        ("drop", "5"),
        ("schedules", "fire", "5"),
        ("reminders", "retry", "5"),
        ("gate", "probe"),
    ):
        root = tmp_path / arguments[0]
        with monkeypatch.context() as patch, losing(root, lambda _: Done(), patch) as asked:
            done = command(root, *arguments)
        assert (done.exit_code, len(asked)) == (5, 1), arguments
        assert "may or may not have been done" in done.output and "hive audit" in done.output


def test_what_may_be_done_twice_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (
        ("stop", "bob"),
        ("park", "bob", "--for", "1h"),
        ("unpark", "bob"),
        ("budget", "clear", "bob", "--per", "day", "--usd"),
    ):
        root = tmp_path / arguments[0]
        with monkeypatch.context() as patch, losing(root, lambda _: Done(), patch) as asked:
            done = command(root, *arguments)
        assert (done.exit_code, len(asked)) == (0, 2), (arguments, done.output)
        assert asked[0] == asked[1]


def test_a_question_is_asked_again_and_nothing_is_unsure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hive.cli.ask, "REPEAT_S", 0.3)
    with losing(tmp_path, lambda _: Count(1), monkeypatch, lost=999) as asked:
        done = command(tmp_path, "inbox")
    assert done.exit_code == 4 and len(asked) > 1
    assert "the daemon was killed" in done.output and "may not" not in done.output


def test_a_refusal_after_a_lost_answer_says_that_it_may_have_been_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: Body) -> Body:
        if len(asked) > 1:
            raise LinkError("store_full", "no space left")
        return Sent(1)

    with losing(tmp_path, answer, monkeypatch) as asked:
        done = command(tmp_path, "send", "ann", "hello")
    assert done.exit_code == 1
    assert "no space left" in done.output and "may have been done" in done.output


def test_a_daemon_that_hears_and_never_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(self: fake_control._Control, peer: Peer, body: Body) -> Body:
        self._asked.append(body)
        await trio.sleep_forever()
        raise AssertionError("unreachable")

    monkeypatch.setattr(fake_control._Control, "handle", handle)
    monkeypatch.setattr(hive.cli.agents, "STOP_S", 0.2)
    with fake_control.control(tmp_path, lambda _: Done()) as asked:
        done = command(tmp_path, "spawn", "bob")
    assert (done.exit_code, len(asked)) == (5, 1)
    assert "its time was over" in done.output


def test_waiting_goes_on_after_a_broken_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = Message(7, "operator", "ann", "hello", 1.0, MessageState.DONE)
    answer = Message(9, "ann", "operator", "here I am", 2.0)

    def daemon(body: Body) -> Body:
        return Sent(7) if isinstance(body, OperatorSend) else Awaited(question, answer)

    with losing(tmp_path, daemon, monkeypatch, lost=2, of=WaitReply) as asked:
        done = command(tmp_path, "send", "ann", "hello", "--wait")
    assert (done.exit_code, done.output) == (0, "here I am\n")
    assert [one.message for one in asked if isinstance(one, WaitReply)] == [7] * 3


@pytest.mark.parametrize(
    ("state", "bounce", "words"),
    [
        (MessageState.DEAD, "Your message 7 to ann was given up: x\nIt began:\nhi", "given up: x"),
        (MessageState.DEAD, None, "message 7 is dead"),
        (MessageState.HELD, None, "`hive retry 7` or `hive drop 7`"),
        (MessageState.DONE, None, "ended its turn for message 7"),
        (MessageState.QUEUED, None, "sent nothing within 0.1 s (message 7 waits)"),
        (MessageState.LEASED, None, "(message 7 is worked on)"),
    ],
)
def test_why_there_is_no_answer(
    tmp_path: Path, state: MessageState, bounce: str | None, words: str
) -> None:
    question = Message(7, "operator", "ann", "hi", 1.0, state)
    told = None if bounce is None else Message(8, "hive", "operator", bounce, 2.0)

    def daemon(body: Body) -> Body:
        return Sent(7) if isinstance(body, OperatorSend) else Awaited(question, None, told)

    with fake_control.control(tmp_path, daemon) as asked:
        done = command(tmp_path, "send", "ann", "hi", "--wait", "--timeout", "0.1")
    assert done.exit_code == 1 and words in done.output
    if state in (MessageState.DEAD, MessageState.HELD):
        assert len(asked) == 2, "it is told at once"


@pytest.mark.parametrize(
    "arguments", [("*", "x"), ("operator", "x"), ("ann", "x", "--from", "bob")]
)
def test_only_one_agents_answer_to_oneself_is_waited_for(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert command(tmp_path, "send", *arguments, "--wait").exit_code == 2


def test_the_stream_of_events_that_breaks_off_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def daemon(body: Body) -> Body:
        return Events((), 0) if isinstance(body, GetEvents) else Done()

    with losing(tmp_path, daemon, monkeypatch, lost=1):
        done = command(tmp_path, "events", "--follow")
    assert done.exit_code == 4 and "the daemon was killed" in done.output


def test_what_may_be_repeated_is_declared() -> None:
    for question in get_args(OperatorRead):
        assert repeatable(question.__new__(question))
    for once in (Spawn("x"), Down(), Resolve((1,), "drop"), AgentCommand("x", "destroy")):
        assert not repeatable(once)
    assert not repeatable(OperatorSend("x", "y")) and repeatable(OperatorSend("x", "y", key="k"))
    assert not repeatable(TreeCommand("x", "kick")) and not repeatable(GateCommand("x", "probe"))
    assert set(get_args(OperatorRead)) < set(get_args(OperatorBody))
