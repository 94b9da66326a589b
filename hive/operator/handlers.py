"""What a subject's table is made of: for each wire class that may be asked, its handler.

A handler that describes is an act: the socket's session has it recorded in the audit. One that does
not only reads.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import apsw
from attrs import frozen

from hive.wire.bodies import Body
from hive.wire.bounds import MOST_ROWS, clamp
from hive.wire.codec import fitting

T = TypeVar("T")

Responder = Callable[[Any], Awaitable[Body | None]]
"""Answers one request; None is answered as `Done`."""

AuditWriter = Callable[[apsw.Connection, Body], None]
"""Writes an act's entry in the audit, with its answer as what came of it, within its commit."""

PushBody = Callable[[Body], Awaitable[None]]
"""Pushes to whoever asked; raises LinkClosed when the connection is closed."""


@frozen
class Act:
    """What the audit says of an act, in words. It never holds a secret."""

    action: str
    """What is done, in a word or two, such as `park`."""
    target: str = ""
    """To whom or what: a name, a path, `messages`."""
    detail: str = ""


@frozen
class Handler:
    """How one wire class is answered; made by `read`, `act`, `act_in_one_commit`."""

    respond: Callable[..., Awaitable[Body | None]]
    """A `Responder`; that of an act in one commit also takes the `AuditWriter` of that commit."""
    describe: Callable[[Any], Awaitable[Act]] | None = None
    """What the audit says of the act; None: it only reads."""
    has_steps: bool = False
    """It is not one commit: it goes on also when who asked has gone, so that no half is left."""
    brings_secret: bool = False
    """The request is meant to bring a secret, so it is not redacted."""
    is_one_commit: bool = False
    """It is one write of the store and nothing else: the audit's entry joins its commit."""
    once_recorded: Callable[[], None] | None = None
    """Called when the end of the act is in the audit, before its answer."""


@frozen
class Stream:
    """How one wire class is followed: `run` pushes until it is cancelled, or has no more to say.

    A connection has one at a time; it ends with the connection, or when the next one begins.
    """

    run: Callable[[Any, PushBody], Awaitable[None]]


Table = Mapping[type[Any], Handler | Stream]


def read(respond: Responder) -> Handler:
    """How a request is answered that changes nothing."""
    return Handler(respond)


def act(
    respond: Responder,
    describe: Callable[[Any], Act],
    *,
    has_steps: bool = False,
    brings_secret: bool = False,
    once_recorded: Callable[[], None] | None = None,
) -> Handler:
    """How a request is answered that changes something; see the fields of `Handler`."""

    async def described(asked: Any) -> Act:
        return describe(asked)

    return Handler(respond, described, has_steps, brings_secret, once_recorded=once_recorded)


def act_in_one_commit(
    respond: Callable[[Any, AuditWriter], Awaitable[Body]], describe: Callable[[Any], Act]
) -> Handler:
    """How a request is answered that is one write of the store.

    `respond` writes the audit's entry in the same commit, with the `AuditWriter` that it is given.
    """

    async def described(asked: Any) -> Act:
        return describe(asked)

    return Handler(respond, described, is_one_commit=True)


def sum_of(*tables: Table) -> Table:
    """All tables in one. Raises ValueError when two of them have the same wire class."""
    whole: dict[type[Any], Handler | Stream] = {}
    for table in tables:
        if twice := whole.keys() & table.keys():
            raise ValueError(f"two handlers for {', '.join(one.__name__ for one in twice)}")
        whole |= table
    return whole


def row_limit(limit: int) -> int:
    """How many rows to answer with when `limit` were asked for: 1 to MOST_ROWS."""
    return clamp(limit, 1, MOST_ROWS)


def newest_that_fit(items: Sequence[T]) -> tuple[T, ...]:
    """As many of the newest items as fit into one answer; in the order given, oldest first."""
    return fitting(reversed(items))[::-1]
