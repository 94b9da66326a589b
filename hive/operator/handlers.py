"""What a subject's table is made of: for each wire class that may be asked, its handler.

A handler with words is an act: the session records it in the audit. One without only reads.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import apsw
from attrs import frozen

from hive.wire.bodies import Body
from hive.wire.bounds import MOST_ROWS, clamp
from hive.wire.codec import fitting

T = TypeVar("T")

Do = Callable[[Any], Awaitable[Body | None]]
"""Answers one request; None is answered as `Done`."""

Also = Callable[[apsw.Connection, Body], None]
"""Writes an act's entry in the audit, with its answer as what came of it, within its commit."""

Push = Callable[[Body], Awaitable[None]]
"""Sends to who asked; raises LinkClosed when he has gone."""


@frozen
class Act:
    """What somebody wants done, and to whom, in words. It never holds a secret."""

    action: str
    target: str = ""
    detail: str = ""


@frozen
class Handler:
    """How one wire class is answered; made by `read`, `act`, `act_in_one_commit`."""

    do: Callable[..., Awaitable[Body | None]]
    """A `Do`; of an act that is one commit it also takes an `Also`, for that commit."""
    words: Callable[[Any], Awaitable[Act]] | None = None
    """What the audit says of the act; None: it only reads."""
    has_steps: bool = False
    """It is not one commit: it goes on also when who asked has gone, so that no half is left."""
    brings_secret: bool = False
    """The request is meant to bring a secret, so none is hidden in it."""
    is_one_commit: bool = False
    """It is one write of the store and nothing else: the audit's entry joins its commit."""
    afterwards: Callable[[], None] | None = None
    """Called when the end of the act is in the audit, before its answer."""


@frozen
class Stream:
    """How one wire class is followed: `run` pushes until it is cancelled, or has no more to say.

    A connection has one at a time; it ends with the connection, or when the next one begins.
    """

    run: Callable[[Any, Push], Awaitable[None]]


Table = Mapping[type[Any], Handler | Stream]


def read(do: Do) -> Handler:
    """A request that changes nothing."""
    return Handler(do)


def act(
    do: Do,
    words: Callable[[Any], Act],
    *,
    has_steps: bool = False,
    brings_secret: bool = False,
    afterwards: Callable[[], None] | None = None,
) -> Handler:
    """A request that changes something; see the fields of `Handler`."""

    async def described(asked: Any) -> Act:
        return words(asked)

    return Handler(do, described, has_steps, brings_secret, afterwards=afterwards)


def act_in_one_commit(
    do: Callable[[Any, Also], Awaitable[Body]], words: Callable[[Any], Act]
) -> Handler:
    """A request that is one write of the store, into which `do` takes the audit's entry."""

    async def described(asked: Any) -> Act:
        return words(asked)

    return Handler(do, described, is_one_commit=True)


def sum_of(*tables: Table) -> Table:
    """All in one table; raises ValueError when a class has two handlers."""
    whole: dict[type[Any], Handler | Stream] = {}
    for table in tables:
        if twice := whole.keys() & table.keys():
            raise ValueError(f"two handlers for {', '.join(one.__name__ for one in twice)}")
        whole |= table
    return whole


def rows(limit: int) -> int:
    """A limit that was asked for, within what may be asked."""
    return clamp(limit, 1, MOST_ROWS)


def newest_that_fit(items: Sequence[T]) -> tuple[T, ...]:
    """As many of the newest items as one answer holds; oldest first."""
    return fitting(reversed(items))[::-1]
