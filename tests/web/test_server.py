"""The whole web process's insides, in this process: real sockets both ways, a fake daemon."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import frozen
from support.fake_daemon import FakeDaemon
from trio_websocket import ConnectionClosed, WebSocketConnection
from trio_websocket import open_websocket_url as open_websocket

import web.app
import web.state
import web.upstream
import web.viewer
from hive.address import Address
from hive.link import LinkClosed
from hive.wire.daemon import Notice
from hive.wire.messages import MessageState, OperatorSend
from hive.wire.states import AgentState
from hive.wire.turns import Text
from web.loopback import listen
from web.server import serve

pytestmark = pytest.mark.usefixtures("page")


@frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    def __init__(self, port: int) -> None:
        self.port = port

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        until: bytes | None = None,
        **headers: str | None,
    ) -> Answer:
        """One request; a header is left out when None, `_` in its name stands for `-`."""
        said = {"Host": f"localhost:{self.port}", "Connection": "close"}
        said |= {"Content-Length": str(len(body))} if body else {}
        all_headers = said | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in all_headers.items() if value is not None]
        with trio.fail_after(5):
            async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                await stream.send_all("\r\n".join([*lines, "", ""]).encode() + body)
                data = b""
                async for part in stream:
                    data += part
                    if until is not None and until in data:
                        break
        head, _, content = data.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        fields = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in rest}
        if fields.get("transfer-encoding") == "chunked":
            content = unchunk(content)
        return Answer(int(first.split()[1]), fields, content)

    async def get(self, path: str, **headers: str | None) -> Answer:
        return await self.ask("GET", path, **headers)

    async def send(self, to: str, body: str, **headers: str | None) -> Answer:
        content = {"Content_Type": "application/json"} | headers
        return await self.ask(
            "POST", "/api/send", json.dumps({"to": to, "body": body}).encode(), **content
        )

    async def upgrade(self, path: str, **headers: str) -> Answer:
        """A websocket's handshake and nothing more."""
        asked = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec_WebSocket_Version": "13",
            "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        return await self.ask("GET", path, until=b"\r\n\r\n", **(asked | headers))

    @asynccontextmanager
    async def stream(self, since: int) -> AsyncIterator[WebSocketConnection]:
        async with open_websocket(f"ws://127.0.0.1:{self.port}/ws?since={since}") as socket:
            try:
                yield socket
            finally:  # the library leaves it open when the server said goodbye first
                await trio.aclose_forcefully(socket._stream)

    async def snapshot(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.get("/api/snapshot")).json
        return answer

    async def until_here(self) -> None:
        """Wait until the daemon is connected."""
        with trio.fail_after(5):
            while (await self.get("/api/snapshot")).status != 200:  # noqa: ASYNC110 - HTTP
                await trio.sleep(0.02)


def unchunk(data: bytes) -> bytes:
    whole = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        whole, data = whole + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return whole


async def frames(socket: WebSocketConnection, wanted: str) -> list[dict[str, Any]]:
    """The frames up to the first that has `wanted`."""
    found: list[dict[str, Any]] = []
    with trio.fail_after(5):
        while not found or wanted not in found[-1]:
            found.append(json.loads(await socket.get_message()))
    return found


async def events(socket: WebSocketConnection, last: int) -> list[int]:
    """The sequence numbers that come, up to `last`."""
    found: list[int] = []
    while not found or found[-1] < last:
        found += [event["seq"] for event in (await frames(socket, "events"))[-1]["events"]]
    return found


async def close_code(socket: WebSocketConnection) -> int:
    with trio.fail_after(5):
        try:
            while True:
                await socket.get_message()
        except ConnectionClosed as closed:
            assert closed.reason is not None
            return int(closed.reason.code)


@asynccontextmanager
async def site_at(path: Path) -> AsyncIterator[Site]:
    listener = listen(Address("127.0.0.1", 0))
    site = Site(listener.getsockname()[1])
    up = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve, path, listener, ready=lambda _: up.set()))
        with trio.fail_after(5):
            await up.wait()
        yield site
        nursery.cancel_scope.cancel()


@pytest.fixture
async def daemon(folder: Path) -> AsyncIterator[FakeDaemon]:
    async with trio.open_nursery() as nursery:
        daemon = FakeDaemon(folder / "web.sock")
        await nursery.start(daemon.run)
        yield daemon
        nursery.cancel_scope.cancel()


@pytest.fixture
async def site(daemon: FakeDaemon) -> AsyncIterator[Site]:
    async with site_at(daemon.path) as site:
        await site.until_here()
        yield site


async def test_the_page_and_its_headers(site: Site) -> None:
    page = await site.get("/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for header in ("content-security-policy", "x-content-type-options", "referrer-policy"):
        assert page.headers[header]
    assert "'unsafe" not in page.headers["content-security-policy"]
    script = await site.get("/static/app.js")
    assert script.status == 200
    again = await site.get("/static/app.js", If_None_Match=script.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/static/.stamp", "/static/../app.py", "/static/%2e%2e/app.py", "/static/", "/nothing"]
)
async def test_nothing_but_the_page_is_served(site: Site, path: str) -> None:
    assert (await site.get(path)).status == 404


async def test_snapshot_and_stream_meet_without_gap_or_double(
    daemon: FakeDaemon, site: Site
) -> None:
    question = daemon.message("operator", "manager", "how are you?")
    daemon.move(MessageState.LEASED, question)
    with trio.fail_after(5):
        while (snapshot := await site.snapshot())["seq"] < daemon.seq:  # noqa: ASYNC110 - HTTP
            await trio.sleep(0.01)
    assert [event["seq"] for event in snapshot["events"]] == [1, 2]
    assert [(m["body"], m["state"]) for m in snapshot["messages"]] == [("how are you?", "leased")]
    assert [agent["name"] for agent in snapshot["status"]["agents"]] == ["manager", "worker-1"]
    daemon.publish("manager", Text("t", "fine"))
    async with site.stream(snapshot["seq"]) as socket:
        daemon.publish("manager", Text("t", "thanks"))
        assert await events(socket, 4) == [3, 4]


async def test_status_comes_when_it_changes(daemon: FakeDaemon, site: Site) -> None:
    async with site.stream(0) as socket:
        await frames(socket, "status")
        await trio.sleep(web.upstream.STATUS_GAP * 2)
        daemon.change("manager", state=AgentState.PARKED, reason="limit")
        daemon.publish(None, Notice("news"))
        with trio.fail_after(web.upstream.STATUS_EVERY / 2):
            while True:
                status = (await frames(socket, "status"))[-1]["status"]
                if status["agents"][0]["state"] == "parked":
                    break


async def test_nobody_watching_costs_the_daemon_nothing(daemon: FakeDaemon, site: Site) -> None:
    async with site.stream(0) as socket:
        await frames(socket, "status")
    await trio.sleep(0.4)
    asked = daemon.asked_status
    for _ in range(5):
        daemon.publish(None, Notice("news"))
        await trio.sleep(0.1)
    assert daemon.asked_status == asked


async def test_sending(daemon: FakeDaemon, site: Site) -> None:
    answer = await site.send("manager", "do it \U0001f41d")
    assert (answer.status, answer.json) == (200, {"id": 1})
    assert [message.body for message in daemon.sent] == ["do it \U0001f41d"]


async def test_the_daemons_refusal_reaches_the_page(site: Site) -> None:
    answer = await site.send("nobody", "x")
    assert answer.status == 422
    assert answer.json["error"]["code"] == "unknown_recipient"
    assert "manager, worker-1" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"to": "manager"}', 400),
        (b'{"to": "manager", "body": 5}', 400),
        (b'{"to": "manager", "body": "x", "in_reply_to": "1"}', 400),
    ],
)
async def test_bad_bodies(daemon: FakeDaemon, site: Site, body: bytes, status: int) -> None:
    answer = await site.ask("POST", "/api/send", body, Content_Type="application/json")
    assert answer.status == status
    assert answer.json["error"]["message"]
    assert daemon.sent == []


async def test_a_body_that_is_too_large_is_refused_by_its_length(site: Site) -> None:
    length = str(web.app.MAX_UPLOAD + 1)
    headers = {"Content_Type": "application/json", "Content_Length": length}
    assert (await site.ask("POST", "/api/send", b"{", **headers)).status == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": None}, 415),
    ],
)
async def test_a_foreign_page_cannot_send(
    daemon: FakeDaemon, site: Site, headers: dict[str, str | None], status: int
) -> None:
    assert (await site.send("manager", "x", **headers)).status == status
    assert daemon.sent == []


async def test_a_foreign_name_sees_nothing(site: Site) -> None:
    for path in ("/", "/api/snapshot", "/static/app.js"):
        assert (await site.get(path, Host=f"evil.example:{site.port}")).status == 403


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8420@x",
        "[::1",
        "[::1]x",
        "localhost:99999",
        "127.0.0.1:80/p?q#f",
        "[::1%25lo]",
        "",
    ],
)
async def test_a_host_that_is_none_is_refused(site: Site, host: str) -> None:
    for path in ("/", "/api/events?limit=1"):
        assert (await site.get(path, Host=host)).status in (400, 403)
    assert (await site.upgrade("/ws?since=0", Host=host)).status == 403


async def test_a_fault_of_ours_is_said_in_the_same_words_for_every_path(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(web.upstream.Upstream, "status", broken)
    for path in ("/api/status", "/api/snapshot"):
        answer = await site.get(path)
        assert answer.status == 500 and "see its log" in answer.json["error"]["message"]
    said = [record for record in caplog.records if record.exc_info]
    assert len({(record.name, record.levelno, record.msg) for record in said}) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example"},
    ],
)
async def test_a_foreign_page_cannot_listen(site: Site, headers: dict[str, str]) -> None:
    assert (await site.upgrade("/ws?since=0", **headers)).status == 403
    assert (await site.upgrade("/ws?since=0")).status == 101


@pytest.mark.parametrize("since", ["", "-1", "x", "9" * 40, "1e3"])
async def test_a_place_must_be_a_number(site: Site, since: str) -> None:
    assert (await site.upgrade(f"/ws?since={since}")).status == 400


async def test_events_of_one_agent(daemon: FakeDaemon, site: Site) -> None:
    daemon.publish("manager", Text("t", "a"))
    daemon.publish("worker-1", Text("t", "b"))
    answer = await site.get("/api/events?agent=worker-1&since=0&limit=5")
    assert [event["text"] for event in answer.json["events"]] == ["b"]
    for bad in ("agent=..", "since=-1", "limit=all"):
        assert (await site.get(f"/api/events?{bad}")).status == 400


async def test_daemon_away_and_back(daemon: FakeDaemon, site: Site) -> None:
    daemon.publish(None, Notice("old"))
    async with site.stream(0) as socket:
        await events(socket, 1)
        daemon.stop()
        assert (await frames(socket, "daemon"))[-1]["daemon"]["away"]
        for path in ("/api/status", "/api/snapshot", "/api/events"):
            answer = await site.get(path)
            assert (answer.status, answer.json["error"]["code"]) == (503, "daemon_away")
        assert (await site.send("manager", "x")).status == 503
        assert (await site.get("/")).status == 200
        async with trio.open_nursery() as nursery:
            await nursery.start(daemon.run)
            await frames(socket, "resync")
            assert await close_code(socket) == web.viewer.RESYNC.code
            assert (await site.snapshot())["seq"] == 1
            nursery.cancel_scope.cancel()


def test_a_daemon_that_does_not_answer_is_told_in_words(tmp_path: Path) -> None:
    state = web.state.PageState()
    web.upstream.Upstream(tmp_path / "web.sock", state)._failed(trio.TooSlowError())
    assert state.away == "it does not answer"


@pytest.mark.parametrize(
    ("key", "again"), [("k-1", "stores it once"), (None, "may store it twice")]
)
async def test_a_send_whose_answer_was_lost_says_that_it_may_be_stored(
    daemon: FakeDaemon, site: Site, monkeypatch: pytest.MonkeyPatch, key: str | None, again: str
) -> None:
    await site.until_here()

    def stop(_: OperatorSend) -> int:
        daemon.stop()
        raise LinkClosed("killed")

    monkeypatch.setattr(daemon, "send", stop)
    form = json.dumps({"to": "manager", "body": "x", "key": key}).encode()
    answer = await site.ask("POST", "/api/send", form, Content_Type="application/json")
    assert answer.status == 503
    assert "may be stored" in answer.json["error"]["message"]
    assert again in answer.json["error"]["message"]


async def test_lost_events_mean_a_new_beginning(daemon: FakeDaemon, site: Site) -> None:
    async with site.stream(0) as socket:
        await frames(socket, "status")
        await daemon.lag()
        await frames(socket, "resync")
        assert await close_code(socket) == web.viewer.RESYNC.code
    daemon.publish(None, Notice("after"))
    await site.until_here()
    async with site.stream(0) as socket:
        assert await events(socket, 1) == [1]


async def test_a_long_history_is_there_before_the_first_snapshot(daemon: FakeDaemon) -> None:
    daemon.pace = 0.05
    for number in range(900):
        daemon.publish("manager", Text("t", str(number)))
    async with site_at(daemon.path) as site:
        await site.until_here()
        snapshot = await site.snapshot()
    assert snapshot["seq"] == 900
    assert snapshot["events"][-1]["text"] == "899"


async def test_a_page_that_does_not_read_harms_nobody(daemon: FakeDaemon, site: Site) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as deaf:
        await deaf.send_all(
            f"GET /ws?since=0 HTTP/1.1\r\nHost: localhost:{site.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        async with site.stream(0) as socket:
            for last in range(100, 6001, 100):
                daemon.publish("manager", *[Text("t", "x" * 2000)] * 100)
                assert await events(socket, last) == list(range(last - 99, last + 1))


async def test_a_failing_stream_closes_with_1011(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(web.app, "watch", fail)
    async with site.stream(0) as socket:
        assert await close_code(socket) == 1011
    assert (await site.get("/")).status == 200


async def test_too_many_pages_are_told_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.app, "MAX_VIEWERS", 1)
    async with site.stream(0) as first:
        await frames(first, "status")
        async with site.stream(0) as second:
            assert await close_code(second) == 1013
