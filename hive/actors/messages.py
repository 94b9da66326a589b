"""The closed set of what travels through an actor's mailbox."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from hive.actors.slot import Slot


@frozen
class Call:
    """A message whose sender waits for the reply."""

    message: Any
    reply: Slot[Any]


@frozen
class Cast:
    """A message without a reply."""

    message: Any


@frozen
class Info:
    """System lane: a Down, or what a timer sends."""

    message: Any


@frozen
class StopOrder:
    """System lane: end after the message that is being handled."""

    detail: str


@frozen
class Tick:
    """System lane: tell the supervisor that messages are being handled."""


@frozen
class Inspect:
    """System lane: report the status."""

    reply: Slot[Any]


@frozen
class Suspend:
    """System lane: handle system messages only (`on`), or all again."""

    on: bool
    reply: Slot[Any]


Envelope = Call | Cast | Info | StopOrder | Tick | Inspect | Suspend
