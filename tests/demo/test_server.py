"""The API's HTTP: good and bad requests, breaks, stalls, and clients that leave."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

import h11
import pytest
import trio
import trio.testing
from attrs import define, field

from hive.demo import (
    CallTool,
    Delay,
    Drop,
    Fail,
    FailKind,
    LimitHeaders,
    ModelAnswer,
    Rule,
    Say,
    Script,
    Stall,
    serve,
)
from hive.demo import connection as limits_of_connections
from hive.demo.server import Service

BODY: dict[str, Any] = {
    "model": "claude-test",
    "stream": True,
    "messages": [{"role": "user", "content": "hi"}],
}


class ScriptedApi(Protocol):
    script: Script
    port: int


@define
class HttpClient:
    """An HTTP client on one connection."""

    stream: trio.SocketStream
    http: h11.Connection = field(factory=lambda: h11.Connection(h11.CLIENT))

    async def ask(self, method: str, path: str, body: Any = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        headers = [("host", "x"), ("content-length", str(len(data)))]
        sent = self.http.send(h11.Request(method=method, target=path, headers=headers)) or b""
        sent += self.http.send(h11.Data(data=data)) or b""
        await self.stream.send_all(sent + (self.http.send(h11.EndOfMessage()) or b""))

    async def event(self) -> h11.Event:
        await trio.lowlevel.checkpoint()
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(await self.stream.receive_some())
        assert isinstance(event, h11.Event)
        return event

    async def answer(self) -> tuple[h11.Response, bytes]:
        response = await self.event()
        assert isinstance(response, h11.Response)
        body = b""
        while not isinstance(event := await self.event(), h11.EndOfMessage):
            assert isinstance(event, h11.Data)
            body += event.data
        self.http.start_next_cycle()
        return response, body

    async def get(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        await self.ask(method, path, body)
        response, data = await self.answer()
        return response.status_code, json.loads(data) if data else None


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[HttpClient]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        with trio.fail_after(5):
            await trio.lowlevel.checkpoint()
            yield HttpClient(stream)


def events(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: ")]


async def test_one_connection_serves_many_requests(api: ScriptedApi) -> None:
    async with connected(api.port) as client:
        for _ in range(3):
            await client.ask("POST", "/v1/messages?beta=true", BODY)
            response, body = await client.answer()
            assert response.status_code == 200
            kinds = [event["type"] for event in events(body)]
            assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


async def test_stream_and_whole_answer_say_the_same(api: ScriptedApi) -> None:
    async with connected(api.port) as client:
        await client.ask("POST", "/v1/messages", BODY)
        _, body = await client.answer()
        deltas = [e["delta"] for e in events(body) if e["type"] == "content_block_delta"]
        status, whole = await client.get("POST", "/v1/messages", BODY | {"stream": False})
    assert status == 200
    assert whole["content"] == [{"type": "text", "text": "".join(d["text"] for d in deltas)}]
    assert whole["stop_reason"] == "end_turn"


async def test_a_tool_call_is_streamed_with_its_arguments(api: ScriptedApi) -> None:
    api.script.add(Rule(ModelAnswer((Say("now"), CallTool("Bash", {"command": "ls"})))))
    async with connected(api.port) as client:
        await client.ask("POST", "/v1/messages", BODY)
        _, body = await client.answer()
    streamed = events(body)
    (start,) = [e for e in streamed if e["type"] == "content_block_start" and e["index"] == 1]
    assert (start["content_block"]["type"], start["content_block"]["name"]) == ("tool_use", "Bash")
    (delta,) = [e for e in streamed if e["type"] == "content_block_delta" and e["index"] == 1]
    assert json.loads(delta["delta"]["partial_json"]) == {"command": "ls"}
    assert streamed[-2]["delta"]["stop_reason"] == "tool_use"


async def test_tokens_are_counted(api: ScriptedApi) -> None:
    async with connected(api.port) as client:
        status, answer = await client.get("POST", "/v1/messages/count_tokens", BODY)
    assert status == 200
    assert answer["input_tokens"] > 10


async def test_head_of_anything_and_unknown_paths(api: ScriptedApi) -> None:
    async with connected(api.port) as client:
        assert (await client.get("GET", "/v1/nothing"))[0] == 404
        assert (await client.get("GET", "/control/requests"))[0] == 404
        await client.ask("HEAD", "/v1/nothing")
        response = await client.event()
        assert isinstance(response, h11.Response)
        assert response.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"model": "m", "messages": []},
        {"model": "m", "messages": ["x"]},
        {"model": "m", "messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": "x"}]},
    ],
)
async def test_bad_requests_are_told_why_and_the_connection_goes_on(
    api: ScriptedApi, body: Any
) -> None:
    async with connected(api.port) as client:
        status, answer = await client.get("POST", "/v1/messages", body)
        assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
        assert (await client.get("POST", "/v1/messages", BODY | {"stream": False}))[0] == 200


@pytest.mark.parametrize(
    "noise",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is no HTTP\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 200_000,
        b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nhalf",
        b"\r\n",
        b"",
    ],
)
async def test_noise_ends_only_its_own_connection(
    api: ScriptedApi, noise: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(api.port) as client:
        try:
            await client.stream.send_all(noise)
            await client.stream.send_eof()
            while await client.stream.receive_some():
                pass
        except trio.BrokenResourceError:
            pass
    async with connected(api.port) as client:
        assert (await client.get("POST", "/v1/messages", BODY | {"stream": False}))[0] == 200
    assert not caplog.records


async def test_what_is_no_http_is_told_so(api: ScriptedApi) -> None:
    async with connected(api.port) as client:
        await client.stream.send_all(b"this is no HTTP\r\n\r\n")
        assert (await client.stream.receive_some()).startswith(b"HTTP/1.1 400")
        assert await client.stream.receive_some() == b""


async def test_a_body_over_the_cap_is_refused(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_of_connections, "MAX_BODY", 1000)
    async with connected(api.port) as client:
        status, answer = await client.get("POST", "/v1/messages", BODY | {"system": "x" * 2000})
    assert (status, answer["error"]["type"]) == (413, "request_too_large")


async def test_a_drop_before_the_headers_sends_nothing(api: ScriptedApi) -> None:
    api.script.add(Rule(Drop("headers")))
    async with connected(api.port) as client:
        await client.ask("POST", "/v1/messages", BODY)
        assert await client.stream.receive_some() == b""


async def test_a_drop_in_the_stream_leaves_it_unfinished(api: ScriptedApi) -> None:
    api.script.add(Rule(Drop("stream", text="so far")))
    async with connected(api.port) as client:
        await client.ask("POST", "/v1/messages", BODY)
        assert isinstance(await client.event(), h11.Response)
        data = await client.event()
        assert isinstance(data, h11.Data)
        assert b"so far" in data.data
        with pytest.raises(h11.RemoteProtocolError, match="without sending complete"):
            await client.event()


async def test_a_stalled_stream_pings(api: ScriptedApi) -> None:
    api.script.add(Rule(Stall("stream", ping=0.01)))
    async with connected(api.port) as client:
        await client.ask("POST", "/v1/messages", BODY)
        assert isinstance(await client.event(), h11.Response)
        assert isinstance(await client.event(), h11.Data)
        for _ in range(3):
            data = await client.event()
            assert isinstance(data, h11.Data)
            assert events(bytes(data.data)) == [{"type": "ping"}]


@pytest.mark.parametrize(
    "reply",
    [Stall("headers"), Stall("stream"), Delay(3600.0), ModelAnswer((Say("slow", over=3600.0),))],
)
async def test_a_stall_ends_when_the_client_leaves(reply: Any) -> None:
    script = Script((Rule(reply),))
    ours, theirs = trio.socket.socketpair()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:  # ends with the connection
            nursery.start_soon(Service(script).connection, trio.SocketStream(theirs))
            async with trio.SocketStream(ours) as stream:
                await HttpClient(stream).ask("POST", "/v1/messages", BODY)
                await script.wait_requests(1)
                await trio.testing.wait_all_tasks_blocked()


async def test_an_error_in_the_stream_is_an_event(api: ScriptedApi) -> None:
    api.script.add(Rule(Fail(FailKind.OVERLOADED, in_stream=True)))
    async with connected(api.port) as client:
        await client.ask("POST", "/v1/messages", BODY)
        response, body = await client.answer()
    assert response.status_code == 200
    assert events(body)[-1]["error"]["type"] == "overloaded_error"


async def test_headers_of_failures(api: ScriptedApi) -> None:
    api.script.add(
        Rule(Fail(FailKind.RATE_LIMIT, retry_after=7, should_retry=False), count=1),
        Rule(Fail(FailKind.LIMIT_7D, reset=2_000_000_000), count=1),
        Rule(LimitHeaders("allowed_warning", five_hour=0.8, reset=2_000_000_000), count=1),
        Rule(Fail(FailKind.LIMIT_7D, claim="seven_day_opus"), count=1),
        Rule(LimitHeaders("rejected", overage=True)),
    )
    seen = []
    async with connected(api.port) as client:
        for _ in range(5):
            await client.ask("POST", "/v1/messages", BODY)
            response, _ = await client.answer()
            headers = {n.decode(): v.decode() for n, v in response.headers}
            seen.append((response.status_code, headers))
    (limited, by_rate), (spent, by_week), (fine, warned), (family, by_opus), (paid, over) = seen
    assert (limited, spent, fine, family, paid) == (429, 429, 200, 429, 200)
    assert (by_rate["retry-after"], by_rate["x-should-retry"]) == ("7", "false")
    prefix = "anthropic-ratelimit-unified"
    assert by_week["x-should-retry"] == "false"
    assert by_week[f"{prefix}-status"] == "rejected"
    assert by_week[f"{prefix}-representative-claim"] == "seven_day"
    assert by_week[f"{prefix}-7d-reset"] == by_week[f"{prefix}-reset"] == "2000000000"
    assert by_week[f"{prefix}-5h-status"] == "allowed"
    assert warned[f"{prefix}-status"] == warned[f"{prefix}-5h-status"] == "allowed_warning"
    assert warned[f"{prefix}-5h-utilization"] == "0.8"
    assert by_opus[f"{prefix}-representative-claim"] == "seven_day_opus"
    assert by_opus[f"{prefix}-7d-status"] == "allowed"
    assert (over[f"{prefix}-status"], over[f"{prefix}-overage-status"]) == ("rejected", "allowed")


async def test_slow_text_comes_in_many_pieces_over_its_time(api: ScriptedApi) -> None:
    api.script.add(Rule(ModelAnswer((Say("word " * 40, over=0.2),))))
    async with connected(api.port) as client:
        begin = trio.current_time()
        await client.ask("POST", "/v1/messages", BODY)
        _, body = await client.answer()
        assert trio.current_time() - begin >= 0.2
    deltas = [e["delta"]["text"] for e in events(body) if e["type"] == "content_block_delta"]
    assert len(deltas) >= 5
    assert "".join(deltas) == "word " * 40


async def test_only_loopback_is_served() -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 only"):
        await serve(Script(), host="0.0.0.0")


async def test_rules_and_records_over_http() -> None:
    script = Script()
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve, script, control=True))
        async with connected(port) as client:
            rule = {"reply": {"type": "fail", "kind": "no_credit"}, "count": 1}
            added = await client.get("POST", "/control/rules", {"rules": [rule]})
            assert added == (200, {"rules": 1})
            refused, why = await client.get("POST", "/control/rules", {"rules": [{"x": 1}]})
            assert refused == 400
            assert "reply" in why["error"]["message"]
            assert (await client.get("POST", "/v1/messages", BODY))[0] == 400
            _, records = await client.get("GET", "/control/requests")
            assert [record["rule"] for record in records] == [0]
            _, rules = await client.get("GET", "/control/rules")
            assert rules["rules"][0]["reply"]["kind"] == "no_credit"
            assert await client.get("DELETE", "/control/rules") == (200, {"rules": 0})
        nursery.cancel_scope.cancel()
