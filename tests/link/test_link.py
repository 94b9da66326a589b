"""Requests, replies, pushes, and how a link begins and ends."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve
from trio_websocket import wrap_server_stream

from hive.link import (
    Credentials,
    LinkClosed,
    LinkLimits,
    LinkRefused,
    Peer,
    RefuseHello,
    RemoteError,
    Session,
    connect,
    serve,
)
from hive.link.reconnect import RECONNECT, keep_connected
from hive.link.unix import bind
from hive.wire.bodies import Body
from hive.wire.bounds import MAX_FRAME
from hive.wire.codec import PROTOCOL, WireError, encode_frame
from hive.wire.daemon import Done, Down, GetStatus
from hive.wire.frames import Hello, Push, Welcome
from hive.wire.harness import HarnessSettings, Interrupt, StopHarness
from hive.wire.messages import Send, Sent

HELLO = Hello(PROTOCOL, "harness", "i-1")


async def test_a_request_is_answered(serving: Any) -> None:
    async with serving() as hive, connect(hive.path, HELLO) as (peer, welcome):
        assert welcome == Welcome(PROTOCOL)
        assert await peer.request(Send("a", "four"), timeout=2) == Sent(4)
        assert hive.sessions[0].peer.hello == HELLO


async def test_the_welcome_carries_the_settings(serving: Any, recorder: Any) -> None:
    class Settled(recorder):  # type: ignore[misc]
        welcome = Welcome(PROTOCOL, HarnessSettings("manager", environment=(("K", "v"),)))

    async with serving(Settled) as hive, connect(hive.path, HELLO) as (_, welcome):
        assert welcome == Settled.welcome


async def test_a_refused_request_is_a_remote_error_and_the_link_goes_on(serving: Any) -> None:
    async with serving() as hive, connect(hive.path, HELLO) as (peer, _):
        with pytest.raises(RemoteError) as caught:
            await peer.request(Send("nobody", ""), timeout=2)
        assert caught.value.code == "unknown_recipient"
        assert caught.value.message == "there is no 'nobody'"
        assert await peer.request(Send("a", ""), timeout=2) == Sent(0)


async def test_a_bug_in_a_handler_is_logged_and_not_told(
    serving: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as hive, connect(hive.path, HELLO) as (peer, _):
        with pytest.raises(RemoteError) as caught:
            await peer.request(Send("bug", ""), timeout=2)
        assert caught.value.code == "internal"
        assert "a bug of" not in caught.value.message
        assert "a bug of the handler" in caplog.text
        assert await peer.request(Send("a", ""), timeout=2) == Sent(0)


async def test_what_the_session_does_not_list_cannot_be_asked(serving: Any) -> None:
    async with serving() as hive, connect(hive.path, HELLO) as (peer, _):
        for body in (Down(), GetStatus(), Done()):
            with pytest.raises(RemoteError) as caught:
                await peer.request(body, timeout=2)
            assert caught.value.code == "not_allowed"
        assert await peer.request(Send("a", ""), timeout=2) == Sent(0)


async def test_a_session_allows_nothing_by_itself(serving: Any) -> None:
    async with serving(Session) as hive, connect(hive.path, HELLO) as (peer, _):
        with pytest.raises(RemoteError, match="cannot be asked here"):
            await peer.request(Send("a", ""), timeout=2)


async def test_requests_go_both_ways(serving: Any, recorder: Any) -> None:
    mine = recorder()
    async with serving() as hive, connect(hive.path, HELLO, mine) as (peer, _):
        await hive.sessions[0].linked.wait()
        back = hive.sessions[0].peer
        results: list[Body] = []

        async def ask(of: Peer, size: int) -> None:
            results.append(await of.request(Send("a", "x" * size), timeout=5))

        async with trio.open_nursery() as nursery:
            for size in range(20):
                nursery.start_soon(ask, peer, size)
                nursery.start_soon(ask, back, size)
        assert sorted(body.id for body in results if isinstance(body, Sent)) == sorted(
            [*range(20), *range(20)]
        )


async def test_pushes_arrive_in_order(serving: Any) -> None:
    async with serving() as hive, connect(hive.path, HELLO) as (peer, _):
        for number in range(300):
            await peer.push(Send("a", str(number)))
        await peer.request(Send("a", ""), timeout=2)
        assert [body.body for body in hive.sessions[0].got] == [str(n) for n in range(300)]


async def test_a_bad_push_harms_nobody(serving: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as hive, connect(hive.path, HELLO) as (peer, _):
        await peer.push(Send("bug", ""))
        await peer.push(Down())
        await peer.push(Send("a", "fine"))
        assert await peer.request(Send("a", ""), timeout=2) == Sent(0)
        assert hive.sessions[0].got == [Send("a", "fine")]
        assert "a bug of the receiver" in caplog.text
        assert "Down cannot be pushed here" in caplog.text  # told to the one who pushed it


async def test_too_many_requests_at_once_are_busy(serving: Any, quick: LinkLimits) -> None:
    codes: list[str] = []
    async with (
        serving(limits=evolve(quick, handlers=3)) as hive,
        connect(hive.path, HELLO) as (peer, _),
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            try:
                await peer.request(Send("never", ""), timeout=60)
            except RemoteError as error:
                codes.append(error.code)
                if len(codes) == 7:
                    nursery.cancel_scope.cancel()

        for _ in range(10):
            nursery.start_soon(ask)
        with trio.move_on_after(5):
            await trio.sleep_forever()
        assert codes == ["busy"] * 7


async def test_an_answer_after_its_deadline_is_dropped(serving: Any, recorder: Any) -> None:
    go = trio.Event()

    class Slow(recorder):  # type: ignore[misc]
        async def handle(self, peer: Peer, body: Body) -> Body:
            if body == Send("slow", ""):
                await go.wait()
            return Sent(1)

    async with serving(Slow) as hive, connect(hive.path, HELLO) as (peer, _):
        with pytest.raises(trio.TooSlowError):
            await peer.request(Send("slow", ""), timeout=0.05)
        go.set()
        for _ in range(3):
            assert await peer.request(Send("a", ""), timeout=2) == Sent(1)
        assert not peer.closed.is_set()


async def test_a_handler_is_cancelled_when_its_link_closes(serving: Any, recorder: Any) -> None:
    began, cancelled = trio.Event(), trio.Event()

    class Long(recorder):  # type: ignore[misc]
        async def handle(self, peer: Peer, body: Body) -> Body:
            began.set()
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                cancelled.set()
                raise
            raise AssertionError

    async with serving(Long) as hive:
        async with connect(hive.path, HELLO) as (peer, _), trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(LinkClosed):
                    await peer.request(Send("a", ""), timeout=60)

            nursery.start_soon(ask)
            await began.wait()
            await peer.close()
        with trio.fail_after(2):
            await cancelled.wait()


async def test_a_frame_too_large_is_refused_before_it_is_sent(serving: Any) -> None:
    async with serving() as hive, connect(hive.path, HELLO) as (peer, _):
        for body in (Send("a", "x" * MAX_FRAME), Send("a", "ä" * (MAX_FRAME // 2))):
            with pytest.raises(WireError, match=rf"at most {MAX_FRAME} can be sent at once"):
                await peer.request(body, timeout=2)
            with pytest.raises(WireError, match="at most"):
                await peer.push(body)
        with pytest.raises(WireError, match="surrogates"):
            await peer.request(Send("a", "\ud800"), timeout=2)
        room = MAX_FRAME - len(encode_frame(Push(Send("a", "")))) - 40
        assert await peer.request(Send("a", "x" * room), timeout=2) == Sent(room)


async def test_an_answer_that_cannot_be_sent_fails_the_request(
    serving: Any, recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Big(recorder):  # type: ignore[misc]
        async def handle(self, peer: Peer, body: Body) -> Body:
            return {
                "big": Send("a", "x" * MAX_FRAME),
                "odd": Send("a", "\ud800"),
                "none": None,
            }.get(getattr(body, "to", ""), Done())  # type: ignore[return-value]

    async with serving(Big) as hive, connect(hive.path, HELLO) as (peer, _):
        for to in ("big", "odd", "none"):
            with pytest.raises(RemoteError) as caught:
                await peer.request(Send(to, ""), timeout=2)
            assert caught.value.code == "bad_answer"
        assert await peer.request(Send("a", ""), timeout=2) == Done()
        assert "cannot be sent" in caplog.text


async def test_each_side_says_why_it_closes(serving: Any) -> None:
    async with serving() as hive, connect(hive.path, HELLO) as (peer, _):
        await hive.sessions[0].linked.wait()
        await hive.sessions[0].peer.close("the agent was stopped")
        with trio.fail_after(2):
            await peer.closed.wait()
        assert peer.reason == "the agent was stopped"
        with pytest.raises(LinkClosed, match="the agent was stopped"):
            await peer.request(Send("a", ""), timeout=2)
        with pytest.raises(LinkClosed):
            await peer.push(Interrupt())
        with trio.fail_after(2):
            await hive.sessions[0].gone.wait()
        assert hive.sessions[0].closings == ["the agent was stopped"]


async def test_a_goodbye_that_is_answered_takes_no_time(serving: Any, quick: LinkLimits) -> None:
    limits = evolve(quick, close=20.0)
    async with (
        serving(limits=limits) as hive,
        connect(hive.path, HELLO, limits=limits) as (peer, _),
    ):
        await hive.sessions[0].linked.wait()
        with trio.fail_after(2):
            await hive.sessions[0].peer.close("from the server")
            await peer.closed.wait()
        async with connect(hive.path, HELLO, limits=limits) as (other, _):
            with trio.fail_after(2):
                await other.close("from the client")


async def test_the_server_hears_of_the_end_once(serving: Any) -> None:
    async with serving() as hive:
        async with connect(hive.path, HELLO) as (peer, _):
            await peer.close("done here")
            await peer.close("twice")
        with trio.fail_after(2):
            await hive.sessions[0].gone.wait()
        assert hive.sessions[0].closings == ["done here"]
        async with connect(hive.path, HELLO):
            await trio.testing.wait_all_tasks_blocked()
            hive.scope.cancel()
            await trio.sleep_forever()
    assert hive.sessions[1].closings == ["ended on this side"]


async def test_a_session_that_fails_ends_its_link(
    serving: Any, recorder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(recorder):  # type: ignore[misc]
        async def run(self, peer: Peer) -> None:
            await peer.push(StopHarness(1.0))
            raise ZeroDivisionError

    async with serving(Failing) as hive, connect(hive.path, HELLO) as (peer, _):
        with trio.fail_after(2):
            await peer.closed.wait()
        assert peer.reason == "the session failed: see the log"
        assert "ZeroDivisionError" in caplog.text


async def test_what_the_body_raises_comes_out_bare(serving: Any) -> None:
    async with serving() as hive:
        with pytest.raises(KeyError):
            async with connect(hive.path, HELLO):
                raise KeyError("mine")
        with trio.move_on_after(0.05) as scope:
            async with connect(hive.path, HELLO):
                await trio.sleep_forever()
        assert scope.cancelled_caught


@asynccontextmanager
async def listening(path: Path, welcome: bytes | None) -> AsyncIterator[None]:
    """A server of another kind, which says `welcome` to anyone, or nothing at all."""

    async def answer(stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            connection = await (await wrap_server_stream(nursery, stream)).accept()
            if welcome is not None:
                await connection.send_message(welcome.decode())
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, answer, [bind(path)])
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("welcome", "code"),
    [
        (encode_frame(Welcome(PROTOCOL + 1)), "wrong_protocol"),
        (encode_frame(HELLO), "bad_frame"),
        (b'{"frame": "welcome"}', "bad_frame"),
        (b"nonsense", "bad_frame"),
    ],
)
async def test_a_strange_welcome_is_refused(
    tmp_path: Path, quick: LinkLimits, welcome: bytes, code: str
) -> None:
    async with listening(tmp_path / "s", welcome):
        with pytest.raises(LinkRefused) as caught:
            async with connect(tmp_path / "s", HELLO, limits=quick):
                pass
        assert caught.value.code == code


async def test_a_silent_server_is_too_slow(tmp_path: Path, quick: LinkLimits) -> None:
    quick = evolve(quick, hello=0.2)
    async with listening(tmp_path / "s", None):
        with pytest.raises(trio.TooSlowError):
            async with connect(tmp_path / "s", HELLO, limits=quick):
                pass
    async with bind(tmp_path / "mute"):
        with pytest.raises(trio.TooSlowError):
            async with connect(tmp_path / "mute", HELLO, limits=quick):
                pass


async def test_no_server_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with connect(tmp_path / "s", HELLO):
            pass
    await bind(tmp_path / "s").aclose()
    with pytest.raises(ConnectionRefusedError):
        async with connect(tmp_path / "s", HELLO):
            pass


async def test_another_protocol_is_refused_with_both_numbers(serving: Any) -> None:
    async with serving() as hive:
        with pytest.raises(LinkRefused) as caught:
            async with connect(hive.path, evolve(HELLO, protocol=7)):
                pass
        assert caught.value.code == "wrong_protocol"
        assert f"speaks protocol {PROTOCOL}, you 7" in caught.value.message
        assert hive.sessions == []


async def test_accept_sees_who_connects_and_may_refuse(tmp_path: Path) -> None:
    seen: list[tuple[Hello, Credentials]] = []

    async def accept(hello: Hello, who: Credentials) -> Session:
        seen.append((hello, who))
        if hello.role == "broken":
            raise RuntimeError("a bug in accept")
        raise RefuseHello("wrong_role", "only a harness connects here")

    async with trio.open_nursery() as nursery:
        await nursery.start(serve, tmp_path / "s", accept)
        with pytest.raises(LinkRefused) as caught:
            async with connect(tmp_path / "s", evolve(HELLO, role="cli")):
                pass
        assert (caught.value.code, caught.value.message) == (
            "wrong_role",
            "only a harness connects here",
        )
        with pytest.raises(LinkClosed):
            async with connect(tmp_path / "s", evolve(HELLO, role="broken")):
                pass
        with pytest.raises(LinkRefused):
            async with connect(tmp_path / "s", HELLO):
                pass
        nursery.cancel_scope.cancel()
    assert [hello.role for hello, _ in seen] == ["cli", "broken", "harness"]


async def test_ready_is_called_when_it_listens(tmp_path: Path) -> None:
    ready = trio.Event()

    async def accept(_: Hello, __: Credentials) -> Session:
        return Session()

    async with trio.open_nursery() as nursery:

        async def supervised() -> None:
            await serve(tmp_path / "s", accept, ready=ready.set)

        nursery.start_soon(supervised)
        with trio.fail_after(2):
            await ready.wait()
        async with connect(tmp_path / "s", HELLO):
            nursery.cancel_scope.cancel()


async def test_cancelled_senders_leave_the_link_whole(serving: Any) -> None:
    """A cancelled send may leave half a frame in a plain stream, and every later one unreadable."""
    async with serving() as hive, connect(hive.path, HELLO) as (peer, _):
        for round_ in range(40):
            with trio.move_on_after(0.0005 * round_):
                async with trio.open_nursery() as nursery:
                    for _ in range(6):
                        nursery.start_soon(peer.push, Send("a", "x" * 600_000))
        assert await peer.request(Send("a", "still"), timeout=5) == Sent(5)
        assert {body.body for body in hive.sessions[0].got} <= {"x" * 600_000}
        assert hive.sessions[0].got


async def test_two_sides_that_flood_each_other_do_not_lock_up(
    serving: Any, recorder: Any, quick: LinkLimits
) -> None:
    """Both write more than the sockets hold, with pings in between, and both go on reading."""
    limits = evolve(quick, ping_every=0.005, stall=5.0)
    async with (
        serving(limits=limits) as hive,
        connect(hive.path, HELLO, recorder(), limits=limits) as (peer, _),
    ):
        await hive.sessions[0].linked.wait()

        async def flood(of: Peer) -> None:
            for _ in range(60):
                await of.push(Send("a", "x" * 400_000))

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(flood, peer)
                nursery.start_soon(flood, hive.sessions[0].peer)
            assert await peer.request(Send("a", ""), timeout=5) == Sent(0)
            assert await hive.sessions[0].peer.request(Send("a", ""), timeout=5) == Sent(0)


async def test_keep_connected_comes_back_with_a_new_hello(serving: Any, recorder: Any) -> None:
    hellos: list[str] = []
    refused = trio.Event()
    links: list[Peer] = []
    linked = trio.Event()

    def hello() -> Hello:
        hellos.append(str(len(hellos)))
        return evolve(HELLO, lease=hellos[-1])

    def failed(error: Exception) -> None:
        if isinstance(error, ConnectionRefusedError):
            refused.set()

    async def use(peer: Peer, _: Welcome) -> None:
        links.append(peer)
        linked.set()
        assert await peer.request(Send("a", ""), timeout=2) == Sent(0)
        await peer.closed.wait()

    backoff = evolve(RECONNECT, max=0.1, healthy_after=0.1)
    async with trio.open_nursery() as nursery:
        async with serving() as hive:
            nursery.start_soon(
                lambda: keep_connected(
                    hive.path, hello, use, recorder(), backoff=backoff, failed=failed
                )
            )
            with trio.fail_after(2):
                await linked.wait()
            await links[0].request(Send("a", ""), timeout=2)
        with trio.fail_after(2):
            await refused.wait()
        linked = trio.Event()
        async with serving() as hive:
            with trio.fail_after(2):
                await linked.wait()
            await links[-1].request(Send("a", ""), timeout=2)
            assert hive.sessions[0].peer.hello.lease == hellos[-1]
            nursery.cancel_scope.cancel()
    assert len(hellos) >= 3


async def test_keep_connected_lets_a_bug_out(serving: Any) -> None:
    async def use(peer: Peer, _: Welcome) -> None:
        raise FileNotFoundError("not the socket")

    async with serving() as hive:
        with pytest.raises(FileNotFoundError, match="not the socket"), trio.fail_after(2):
            await keep_connected(hive.path, lambda: HELLO, use)


async def test_a_working_link_says_nothing_in_the_log(
    serving: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as hive:
        async with connect(hive.path, HELLO) as (peer, _):
            await peer.request(Send("a", ""), timeout=2)
        await hive.sessions[0].gone.wait()
    assert caplog.text == ""
