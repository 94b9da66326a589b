"""As much of a Redis client as the benchmark needs (RESP 2, one command at a time)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from bench.texts import Texts

_WAIT_MS = 30_000


class Redis:
    """One connection; use `redis`."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    async def command(self, *words: str | bytes) -> Any:
        """Send a command and return its reply; raises RuntimeError for an error of the server."""
        raw = [word.encode() if isinstance(word, str) else word for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in raw]
        await self._texts.write(b"*%d\r\n%s" % (len(raw), b"".join(parts)))
        return await self._reply()

    async def _reply(self) -> Any:
        line = await self._texts.line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b"+":
                return rest
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else await self._texts.block(int(rest))
            case b"*":
                return None if rest == b"-1" else [await self._reply() for _ in range(int(rest))]
        raise RuntimeError(f"Redis says {line!r}")


@asynccontextmanager
async def redis(path: Path) -> AsyncIterator[Redis]:
    """Connect to the server's unix socket."""
    async with await trio.open_unix_socket(str(path)) as stream:
        yield Redis(Texts(stream))


class StreamAgent:
    """One agent: its stream with one consumer group, of which it is the only consumer."""

    def __init__(self, connection: Redis, names: list[str], number: int) -> None:
        self._redis, self._names, self._name = connection, names, names[number]

    async def prepare(self) -> None:
        """Make the stream and its group."""
        await self._redis.command("XGROUP", "CREATE", self._name, "group", "0", "MKSTREAM")

    async def send(self, to: int, body: str) -> None:
        """Returns when it is appended, on disk."""
        await self._redis.command(
            *("XADD", self._names[to], "*", "sender", self._name, "body", body)
        )

    async def lease(self) -> tuple[bytes, str]:
        """The next message, which is pending then: what acknowledges it, and its body."""
        words = ("XREADGROUP", "GROUP", "group", "me", "COUNT", "1", "BLOCK", str(_WAIT_MS))
        found = await self._redis.command(*words, "STREAMS", self._name, ">")
        [[_, [[id_, fields]]]] = found
        return id_, fields[3].decode()

    async def ack(self, lease: bytes) -> None:
        """Returns when it is no longer pending, on disk."""
        if await self._redis.command("XACK", self._name, "group", lease) != 1:
            raise RuntimeError("Redis did not know what was acknowledged")
