"""Peers that break the rules, stop, or never read: they lose their link, the server goes on."""

import json
import logging
import os
import resource
import signal
import struct
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage

from hive.link import LinkLimits, LinkRefused, Peer, RemoteError, connect
from hive.link.decoding import MESSAGE_CAP
from hive.wire.bodies import Body
from hive.wire.bounds import MAX_FRAME
from hive.wire.codec import PROTOCOL, decode_frame
from hive.wire.frames import Failure, Hello
from hive.wire.messages import Send, Sent

HELLO = Hello(PROTOCOL, "harness", "i-1")
HELLO_TEXT = json.dumps({"frame": "hello", "protocol": 1, "role": "harness", "instance": "i"})


async def still_serves(path: Path) -> None:
    """A good peer is answered at once."""
    with trio.fail_after(3):
        async with connect(path, HELLO) as (peer, _):
            assert await peer.request(Send("a", "xy"), timeout=2) == Sent(2)


def failures(events: list[Event]) -> list[tuple[int | None, str]]:
    frames = [decode_frame(event.data) for event in events if isinstance(event, TextMessage)]
    return [(frame.id, frame.code) for frame in frames if isinstance(frame, Failure)]


def close_reason(events: list[Event]) -> str:
    closes = [event for event in events if isinstance(event, CloseConnection)]
    return str(closes[-1].reason) if closes else ""


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"frame": "request", "id": 7, "body": {"type": "send"}}', (7, "bad_frame")),
        ('{"frame": "request", "id": 7, "body": {"type": "fly"}}', (7, "unknown_request")),
        ('{"frame": "request", "id": 7, "body": {"type": ["send"]}}', (7, "bad_frame")),
        ('{"frame": "request", "id": 7, "body": {}}', (7, "bad_frame")),
        ('{"frame": "request", "id": 7, "body": null}', (7, "bad_frame")),
        ('{"frame": "request", "id": 7}', (7, "bad_frame")),
        ('{"frame": "request", "id": 7, "body": {"type": "down"}}', (7, "not_allowed")),
        ('{"frame": "request", "id": "7", "body": {"type": "down"}}', (None, "bad_frame")),
        ('{"frame": "request", "id": true, "body": {"type": "fly"}}', (None, "unknown_request")),
        ('{"frame": "request", "id": 1e3, "body": {"type": "down"}}', (None, "bad_frame")),
        ('{"frame": "push", "body": {"type": "fly"}}', (None, "bad_frame")),
        ('{"frame": "push", "body": {"type": "down"}}', (None, "not_allowed")),
        ('{"frame": "warp", "id": 3}', (3, "bad_frame")),
        ("{}", (None, "bad_frame")),
        (HELLO_TEXT, (None, "bad_frame")),
        ('{"frame": "welcome", "protocol": 1}', (None, "bad_frame")),
        (
            '{"frame": "request", "id": 7, "body": {"type": "send", "to": 5, "body": "x"}}',
            (7, "bad_frame"),
        ),
    ],
)
async def test_a_wrong_frame_is_answered_and_the_link_goes_on(
    serving: Any, raw: Any, text: str, answer: tuple[int | None, str]
) -> None:
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        with trio.fail_after(3):
            await peer.greet()
            await peer.say(text)
            said = decode_frame(await peer.hear())
            assert isinstance(said, Failure)
            assert (said.id, said.code) == answer
            good = {"frame": "request", "id": 8, "body": {"type": "send", "to": "a", "body": "x"}}
            await peer.say(json.dumps(good))
            assert json.loads(await peer.hear())["body"] == {"type": "sent", "id": 1}
        await peer.stream.aclose()


@pytest.mark.parametrize(
    "text",
    [
        '{"frame": "reply", "id": 99, "body": {"type": "done"}}',
        '{"frame": "reply", "id": 99, "body": {"type": "fly"}}',
        '{"frame": "reply"}',
        '{"frame": "failure", "id": 99, "code": "x", "message": "y"}',
        '{"frame": "failure", "id": null, "code": "x", "message": "y"}',
        '{"frame": "failure"}',
    ],
)
async def test_an_answer_to_nothing_is_not_answered(serving: Any, raw: Any, text: str) -> None:
    """Two sides that complain of each other's complaints would never stop."""
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        with trio.fail_after(3):
            await peer.greet()
            await peer.say(text)
            good = {"frame": "request", "id": 8, "body": {"type": "send", "to": "a", "body": "x"}}
            await peer.say(json.dumps(good))
            assert json.loads(await peer.hear())["id"] == 8
        await peer.stream.aclose()


async def test_a_wrong_answer_fails_the_request_it_answers(serving: Any, raw: Any) -> None:
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        with trio.fail_after(3):
            await peer.greet()
            await hive.sessions[0].linked.wait()
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    with pytest.raises(RemoteError) as caught:
                        await hive.sessions[0].peer.request(Send("a", ""), timeout=2)
                    assert caught.value.code == "bad_answer"

                nursery.start_soon(ask)
                number = json.loads(await peer.hear())["id"]
                await peer.say(json.dumps({"frame": "reply", "id": number, "body": {"type": "x"}}))
        await peer.stream.aclose()


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ("nonsense", "bad_frame"),
        ("[1, 2]", "bad_frame"),
        ("null", "bad_frame"),
        ("", "bad_frame"),
        ("[" * 5000, "bad_frame"),
        (b"\x00\x01", "bad_frame"),
        (HELLO_TEXT.encode(), "bad_frame"),
        ("ä" * (MAX_FRAME // 2 + 1), "too_large"),
    ],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize("greeted", [False, True])
async def test_what_is_no_frame_ends_the_link_with_a_reason(
    serving: Any, raw: Any, first: str | bytes, code: str, greeted: bool
) -> None:
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        with trio.fail_after(3):
            await (peer.greet() if greeted else peer.upgrade())
            message = BytesMessage(first) if isinstance(first, bytes) else TextMessage(first)
            await peer.stream.send_all(peer.ws.send(message))
            events = await peer.until_end()
        assert failures(events) == [(None, code)]
        assert close_reason(events).startswith(code)
        await peer.stream.aclose()
        await still_serves(hive.path)


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        ({"frame": "hello", "protocol": 2, "role": "x", "instance": "i"}, "wrong_protocol"),
        ({"frame": "hello", "protocol": "1", "role": "x", "instance": "i"}, "bad_frame"),
        ({"frame": "push", "body": {"type": "done"}}, "no_hello"),
        ({"frame": "request", "id": 1, "body": {"type": "down"}}, "no_hello"),
    ],
)
async def test_a_link_begins_with_a_good_hello(
    serving: Any, raw: Any, hello: dict[str, object], code: str
) -> None:
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        with trio.fail_after(3):
            await peer.upgrade()
            await peer.say(json.dumps(hello))
            assert failures(await peer.until_end()) == [(None, code)]
        assert hive.sessions == []
        await peer.stream.aclose()


async def test_who_says_no_hello_is_closed_in_time(
    serving: Any, raw: Any, quick: LinkLimits
) -> None:
    async with serving(limits=evolve(quick, hello=0.3)) as hive:
        mute = await raw.dial(hive.path)
        upgraded = await raw.dial(hive.path)
        await upgraded.upgrade()
        with trio.fail_after(2):
            assert await mute.until_end() == []
            events = await upgraded.until_end()
        assert failures(events) == [(None, "no_hello")]
        assert "no hello within 0.3 s" in close_reason(events)
        for peer in (mute, upgraded):
            await peer.stream.aclose()
    async with serving() as hive:
        await still_serves(hive.path)


@pytest.mark.parametrize("greeted", [False, True])
@pytest.mark.parametrize("half", [False, True])
async def test_a_connection_cut_anywhere_is_forgotten(
    serving: Any, raw: Any, greeted: bool, half: bool
) -> None:
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        if greeted:
            await peer.greet()
            await peer.stream.send_all(b"\x81")  # the first byte of a frame
        else:
            await peer.stream.send_all(b"GET / HT")
        if half:
            await peer.stream.send_eof()
            with trio.fail_after(2):
                await peer.until_end()
        await peer.stream.aclose()
        if greeted:
            with trio.fail_after(2):
                await hive.sessions[0].gone.wait()
        await still_serves(hive.path)


def header(opcode: int, length: int) -> bytes:
    """A masked frame's header, with a mask of zeros, which may promise what never comes."""
    return bytes([0x80 | opcode, 0xFF]) + struct.pack("!Q", length) + bytes(4)


@pytest.mark.parametrize(
    "data",
    [
        header(1, 2**62) + b"x" * (3 * MAX_FRAME),
        header(1, 2 * MAX_FRAME) + b"x" * (2 * MAX_FRAME),
        header(2, 2**63),
        header(9, 2**20) + b"x" * 2000,
        b"\x81\x85\0\0\0\0\xff\xfe\xfd\xfc\xfb",
        b"\x81\x05hello",
        b"\xff\xff\xff\xff",
        b"\x88\x80\0\0\0\0",
        b"\x88\x82\0\0\0\0\x03\xed",
        b"\x80\x81\0\0\0\0x",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=lambda data: repr(data[:8]),
)
async def test_broken_websocket_frames_end_the_link(serving: Any, raw: Any, data: bytes) -> None:
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        with trio.fail_after(5):
            await peer.greet()
            try:
                await peer.stream.send_all(data)
            except trio.BrokenResourceError:
                pass
            await hive.sessions[0].gone.wait()
            assert hive.sessions[0].closings[0]
        await peer.stream.aclose()
        await still_serves(hive.path)


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: hive\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(payload: bytes, opcode: int = 1) -> bytes:
    return (
        bytes([0x80 | opcode])
        + (
            bytes([0x80 | len(payload)])
            if len(payload) < 126
            else bytes([0xFE]) + struct.pack("!H", len(payload))
        )
        + bytes(4)
        + payload
    )


pieces = st.one_of(
    st.binary(max_size=300),
    st.just(UPGRADE),
    st.binary(max_size=100).map(lambda junk: UPGRADE + junk),
    st.text(max_size=50).map(lambda text: masked(text.encode())),
    st.binary(max_size=125).map(lambda payload: masked(payload, 9)),
    st.builds(masked, st.binary(max_size=50), st.integers(0, 15)),
    st.just(masked(HELLO_TEXT.encode())),
    st.just(b"GET /" + b"a" * 70_000),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(junk=st.lists(pieces, min_size=1, max_size=4), half=st.booleans())
def test_no_bytes_end_the_server(serving: Any, raw: Any, junk: list[bytes], half: bool) -> None:
    async def main() -> None:
        async with serving() as hive:
            for data in (b"".join(junk), UPGRADE + b"".join(junk)):
                peer = await raw.dial(hive.path)
                try:
                    await peer.stream.send_all(data)
                    if half:
                        await peer.stream.send_eof()
                        with trio.fail_after(2):
                            while await peer.stream.receive_some():
                                pass
                except trio.BrokenResourceError:
                    pass
                await peer.stream.aclose()
            await still_serves(hive.path)

    trio.run(main)


async def test_who_does_not_read_is_dropped(serving: Any, raw: Any, quick: LinkLimits) -> None:
    limits = evolve(quick, stall=0.3, ping_every=60.0)
    async with serving(limits=limits) as hive:
        peer = await raw.dial(hive.path)
        await peer.greet()
        session = hive.sessions[0]
        with trio.fail_after(3):
            await session.linked.wait()
            with pytest.raises(ConnectionError, match=r"read nothing for 0.3 s"):
                while True:
                    await session.peer.push(Send("a", "x" * 500_000))
            await session.gone.wait()
        assert session.closings == ["the peer read nothing for 0.3 s"]
        await peer.stream.aclose()


async def test_who_reads_slowly_is_not_dropped(serving: Any, raw: Any, quick: LinkLimits) -> None:
    limits = evolve(quick, stall=0.5, ping_every=60.0)
    async with serving(limits=limits) as hive:
        peer = await raw.dial(hive.path)
        await peer.greet()
        session = hive.sessions[0]
        await session.linked.wait()
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:

                async def push() -> None:
                    for _ in range(3):
                        await session.peer.push(Send("a", "x" * 900_000))

                async def read() -> None:
                    taken = 0
                    while taken < 2_700_000:
                        taken += len(await peer.stream.receive_some(150_000))
                        await trio.sleep(0.06)

                nursery.start_soon(push)
                nursery.start_soon(read)
        assert not session.gone.is_set()
        await peer.stream.aclose()


async def test_who_answers_no_ping_is_dropped(serving: Any, raw: Any, quick: LinkLimits) -> None:
    limits = evolve(quick, ping_every=0.05, ping_deadline=0.2)
    async with serving(limits=limits) as hive:
        peer = await raw.dial(hive.path)
        await peer.greet()
        with trio.fail_after(3):
            events = await peer.until_end()  # reads, but never writes a pong
            await hive.sessions[0].gone.wait()
        assert hive.sessions[0].closings == ["no answer to a ping for 0.2 s"]
        assert close_reason(events) == "no answer to a ping for 0.2 s"
        await peer.stream.aclose()


async def test_an_idle_link_stays(serving: Any, quick: LinkLimits) -> None:
    limits = evolve(quick, ping_every=0.02, ping_deadline=3.0)
    async with (
        serving(limits=limits) as hive,
        connect(hive.path, HELLO, limits=limits) as (peer, _),
    ):
        await trio.sleep(0.4)
        assert await peer.request(Send("a", ""), timeout=2) == Sent(0)
        assert len(hive.sessions) == 1


CLIENT = textwrap.dedent("""
    import sys, trio
    from pathlib import Path
    from hive.link import connect
    from hive.wire.codec import PROTOCOL
    from hive.wire.frames import Hello

    async def main():
        async with connect(Path(sys.argv[1]), Hello(PROTOCOL, "harness", "i")) as (peer, _):
            await peer.closed.wait()

    trio.run(main)
""")


async def test_a_stopped_process_is_dropped_on_both_sides(serving: Any, quick: LinkLimits) -> None:
    limits = evolve(quick, ping_every=0.1, ping_deadline=0.4)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    async with serving(limits=limits) as hive:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", CLIENT, str(hive.path)], env=environment, start_new_session=True
        )
        try:
            with trio.fail_after(10):
                await hive.accepted.wait()
                session = hive.sessions[0]
                await session.linked.wait()
                process.send_signal(signal.SIGSTOP)
                began = trio.current_time()
                await session.gone.wait()
            assert trio.current_time() - began < 2
            assert session.closings == ["no answer to a ping for 0.4 s"]
            process.send_signal(signal.SIGCONT)
            with trio.fail_after(5):
                assert await process.wait() == 0
        finally:
            process.kill()


async def test_who_asks_and_never_reads_the_refusals_is_dropped(
    serving: Any, raw: Any, quick: LinkLimits
) -> None:
    limits = evolve(quick, buffer=50_000, overflow=50_000, stall=60.0, ping_every=60.0)
    async with serving(limits=limits) as hive:
        peer = await raw.dial(hive.path)
        await peer.greet()
        with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            while True:
                await peer.say('{"frame": "request", "id": 1, "body": {"type": "down"}}')
        with trio.fail_after(2):
            await hive.sessions[0].gone.wait()
        assert "does not read" in hive.sessions[0].closings[0]
        await peer.stream.aclose()


async def test_answers_quote_only_a_little(serving: Any, raw: Any) -> None:
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        with trio.fail_after(3):
            await peer.greet()
            node = '{"path":"p","kind":"k","state":"running","since":1,"children":['
            tree = node * 450 + "]}" * 450
            asked = {"frame": "request", "id": 1, "body": {"type": "send", "to": "talkative"}}
            asked["body"]["body"] = ""  # type: ignore[index]
            for text in (
                json.dumps({"frame": "x" * 900_000}),
                '{"frame":"request","id":1,"body":{"type":"report","tree":' + tree + "}}",
                json.dumps(asked),
            ):
                await peer.say(text)
                assert isinstance(said := decode_frame(await peer.hear()), Failure)
                assert len(said.message) <= MESSAGE_CAP
            assert said.code == "why"
        await peer.stream.aclose()


async def test_connections_are_bounded(serving: Any, raw: Any, quick: LinkLimits) -> None:
    limits = evolve(quick, connections=2)
    async with serving(limits=limits) as hive:
        first, second, third = [await raw.dial(hive.path) for _ in range(3)]
        await first.greet()
        await second.greet()
        with trio.fail_after(2):  # at once, not at the deadline for the hello
            await third.upgrade()
            said = decode_frame(await third.hear())
            assert isinstance(said, Failure) and said.code == "full"
        with pytest.raises(LinkRefused, match="serves 2 connections"):
            async with connect(hive.path, Hello(PROTOCOL, "harness", "x"), limits=limits):
                pass
        silent = [await raw.dial(hive.path) for _ in range(8)]  # they wait to be told
        unheard = await raw.dial(hive.path)
        with trio.fail_after(2):
            assert await unheard.until_end() == []
        for peer in (first, second, third, unheard, *silent):
            await peer.stream.aclose()
        with trio.fail_after(2):
            for session in hive.sessions:
                await session.gone.wait()
        await trio.testing.wait_all_tasks_blocked()
        await still_serves(hive.path)


async def test_connections_leave_nothing_behind(serving: Any, raw: Any, descriptors: Any) -> None:
    async with serving() as hive:
        await still_serves(hive.path)
        before = descriptors()
        for _ in range(20):
            await still_serves(hive.path)
            with pytest.raises(LinkRefused):
                async with connect(hive.path, evolve(HELLO, protocol=9)):
                    pass
            cut = await raw.dial(hive.path)
            await cut.greet()
            await cut.stream.aclose()
        for session in hive.sessions:
            with trio.fail_after(2):
                await session.gone.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert descriptors() == before


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Said(logging.Handler):
    """Waits for a word in the log."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.heard = trio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self.word in record.getMessage():
            self.heard.set()


async def test_a_server_out_of_descriptors_waits_and_goes_on(serving: Any) -> None:
    said = Said("EMFILE")
    logging.getLogger("trio.serve_listeners").addHandler(said)
    async with serving() as hive:
        sock = trio.socket.socket(trio.socket.AF_UNIX)
        with no_more_descriptors():
            await sock.connect(str(hive.path))
            with trio.fail_after(2):
                await said.heard.wait()
        logging.getLogger("trio.serve_listeners").removeHandler(said)
        sock.close()
        await still_serves(hive.path)


@pytest.mark.parametrize("kind", ["connected", "idle", "stuck", "working"])
async def test_the_end_of_the_server_is_quick(serving: Any, raw: Any, kind: str) -> None:
    async with serving() as hive:
        peer = await raw.dial(hive.path)
        if kind != "connected":
            await peer.greet()
        if kind == "working":
            for number in range(5):
                body = {"type": "send", "to": "never", "body": ""}
                await peer.say(json.dumps({"frame": "request", "id": number, "body": body}))
        async with trio.open_nursery() as nursery:
            if kind == "stuck":
                await hive.sessions[0].linked.wait()
                for _ in range(5):
                    nursery.start_soon(push_until_lost, hive.sessions[0].peer)
            await trio.testing.wait_all_tasks_blocked(0.02)
            began = trio.current_time()
            hive.scope.cancel()
        await trio.lowlevel.checkpoint()
    assert trio.current_time() - began < 1
    await peer.stream.aclose()


async def push_until_lost(peer: Peer) -> None:
    body: Body = Send("a", "x" * 700_000)
    try:
        while True:
            await peer.push(body)
    except ConnectionError:
        pass
