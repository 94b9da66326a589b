"""How the model reads messages: each between two frame lines of the hive's own.

The frame lines of a message begin with `[hive]` in the first column; a line of a body never does,
so nobody can forge a frame by writing one.
"""

import re

from hive.text import flattened
from hive.wire.messages import Message
from hive.wire.turns import Lease

_FRAME = re.compile(r"^(?=[^\S\n]*\[hive\])", re.MULTILINE | re.IGNORECASE)
_BREAKS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")


def framed(message: Message, waiting: int = 0) -> str:
    """`message` between its frame lines; `waiting` more messages are queued behind it."""
    head = f"[hive] message {message.id} from {_word(message.sender)}"
    if message.in_reply_to is not None:
        head += f" (in reply to {message.in_reply_to})"
    if message.broadcast_id is not None:
        head += " (to all agents: it may need nothing of you)"
    if message.redelivered:
        head += " (delivered again)"
    end = f"[hive] end of message {message.id}"
    if waiting:
        end += f"; {waiting} more waiting"
    return f"{head}\n{_neutral(message.body)}\n{end}"


def framed_all(lease: Lease) -> str:
    """Every message of `lease`, in its order; the last one says how many more are waiting."""
    last = len(lease.messages) - 1
    return "\n".join(
        framed(message, lease.waiting if place == last else 0)
        for place, message in enumerate(lease.messages)
    )


def _neutral(body: str) -> str:
    """`body` with every line that looks like a frame indented."""
    return _FRAME.sub("  ", _BREAKS.sub("\n", body))


def _word(text: str) -> str:
    """A name on one line; the broker checks names, but a frame must hold whatever comes."""
    return flattened(text) or "?"
