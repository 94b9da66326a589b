"""Bounds that both sides of a process boundary keep: each is written here and nowhere else."""

from typing import TypeVar

N = TypeVar("N", int, float)

MAX_FRAME = 1 << 20
"""Largest frame in bytes, both ways."""

ANSWER_CAP = MAX_FRAME * 3 // 4
"""Bytes of encoded items in one answer; the rest of the frame is for its envelope."""

MAX_ID = 2**63 - 1
"""SQLite's integers have 64 bits; no message, reminder, schedule or question has an id above."""

MOST_ROWS = 1_000
"""Events, messages, questions, files or entries of the audit in one answer; ids in one request."""

MOST_TAKEN = 10
"""Messages in one lease or one `Recv`: ten of the largest bodies fit into a frame."""

LONGEST_TAKE_S = 120
"""How long `Take` and `Recv` may wait for a message."""

LONGEST_REPLY_S = 3600.0
"""How long the operator may wait for an answer in one request."""

EVENT_TEXT = 2_000
"""Characters of a text that are kept in an event."""

MOST_PART = 1 << 17
"""Bytes of a file in one answer: a frame holds them also when JSON needs six for each."""

BODY_CAP = 16_384
"""Bytes that a message's body may have where nothing else is configured."""

MOST_AMOUNT = 10**15
"""Dollars or tokens of a budget: more than can be used, and floats are exact up to here."""

MOST_NUMBER = 1_000_000_000
"""Of anything in a configuration file; as seconds, thirty years."""

MOST_BODY = 100_000
"""Bytes that can be configured for it; even a body that JSON must escape fits into a frame."""


def clamp(value: N, least: N, most: N) -> N:
    """The number nearest to `value` from `least` to `most`; `least` is not above `most`."""
    return min(max(value, least), most)
