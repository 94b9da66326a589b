"""How many messages one answer may carry."""

from collections.abc import Iterable

from hive.wire import MAX_FRAME, Message, encode

ANSWER_CAP = MAX_FRAME * 3 // 4
"""Bytes of encoded messages in one answer; the rest of the frame is for its envelope."""


def fitting(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The first of these messages that fit into one answer, at least one if there is one.

    A lease that is too large to be sent would be acknowledged without ever having been seen.
    """
    chosen: list[Message] = []
    size = 0
    for message in messages:
        size += len(encode(message)) + 1
        if chosen and size > ANSWER_CAP:
            break
        chosen.append(message)
    return tuple(chosen)
