"""As much of a NATS client as the benchmark needs: request and reply, and JetStream by that."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from bench.texts import Texts

STREAM = "mail"
_WAIT_NS = 30 * 10**9


class Nats:
    """One connection, one request at a time; use `nats`."""

    def __init__(self, texts: Texts, name: str) -> None:
        self._texts = texts
        self._inbox = f"_INBOX.{name}"
        self._asked = 0

    async def connect(self) -> None:
        """Say who we are and subscribe to the replies."""
        await self._texts.line()  # INFO {…}
        said = {"verbose": False, "pedantic": False, "headers": False, "lang": "python"}
        await self._texts.write(
            f"CONNECT {json.dumps(said)}\r\nSUB {self._inbox}.* 1\r\n".encode(),
        )

    async def request(self, subject: str, body: bytes = b"") -> tuple[str, bytes]:
        """Publish, and return the reply: where it wants to be answered ("" nowhere), its body."""
        self._asked += 1
        inbox = f"{self._inbox}.{self._asked}"
        head = f"PUB {subject} {inbox} {len(body)}\r\n".encode()
        await self._texts.write(head + body + b"\r\n")
        while True:
            words = (await self._texts.line()).decode().split(" ")
            match words:
                case ["MSG", _, _, *answer, size]:  # a stream's message keeps its own subject
                    return "".join(answer), await self._texts.block(int(size))
                case ["PING"]:
                    await self._texts.write(b"PONG\r\n")
                case ["INFO" | "PONG" | "+OK", *_]:
                    pass
                case _:
                    raise RuntimeError(f"NATS says {' '.join(words)}")

    async def api(self, subject: str, asked: dict[str, Any]) -> dict[str, Any]:
        """A request to JetStream itself; raises RuntimeError if it refuses."""
        _, answer = await self.request(f"$JS.API.{subject}", json.dumps(asked).encode())
        return _checked(answer)


def _checked(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer)
    if "error" in found:
        raise RuntimeError(f"JetStream says {found['error']}")
    return found


@asynccontextmanager
async def nats(port: int, name: str) -> AsyncIterator[Nats]:
    """Connect to the server on this machine."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        connection = Nats(Texts(stream), name)
        await connection.connect()
        yield connection


async def make_stream(connection: Nats) -> None:
    """One stream in files for the mail of all agents."""
    await connection.api(
        f"STREAM.CREATE.{STREAM}",
        {"name": STREAM, "subjects": [f"{STREAM}.*"], "storage": "file", "num_replicas": 1},
    )


class ConsumerAgent:
    """One agent: a durable pull consumer of its own subject."""

    def __init__(self, connection: Nats, names: list[str], number: int) -> None:
        self._nats, self._names, self._name = connection, names, names[number]
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._name}"
        self._pull = json.dumps({"batch": 1, "expires": _WAIT_NS}).encode()

    async def prepare(self) -> None:
        """Make the consumer."""
        config = {
            "durable_name": self._name,
            "filter_subject": f"{STREAM}.{self._name}",
            "ack_policy": "explicit",
            "deliver_policy": "all",
        }
        await self._nats.api(
            f"CONSUMER.DURABLE.CREATE.{STREAM}.{self._name}",
            {"stream_name": STREAM, "config": config},
        )

    async def send(self, to: int, body: str) -> None:
        """Returns when JetStream says that it is stored."""
        _, answer = await self._nats.request(f"{STREAM}.{self._names[to]}", body.encode())
        _checked(answer)

    async def lease(self) -> tuple[str, str]:
        """The next message: where it is acknowledged, and its body."""
        answer, body = await self._nats.request(self._next, self._pull)
        if not answer:
            raise RuntimeError("JetStream had no message")
        return answer, body.decode()

    async def ack(self, lease: str) -> None:
        """Returns when JetStream confirms it."""
        await self._nats.request(lease, b"+ACK")
