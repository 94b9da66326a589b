"""What somebody wants to send, and the rules that it must keep."""

from collections.abc import Collection

from attrs import evolve, field, frozen

from hive.broker.errors import BadLine, BadMessage, BodyTooLarge, NotAllowed, UnknownRecipient
from hive.directory import ALWAYS, Rights
from hive.text import flattened
from hive.wire.bounds import MAX_ID
from hive.wire.names import EVERYBODY, OPERATOR

MAX_KEY = 200
_SHOWN = 50


def _reference(id_: int | None) -> int | None:
    """Nothing for a number that no message can have; whether one has it is asked on reading."""
    return id_ if id_ is not None and 0 < id_ <= MAX_ID else None


@frozen
class Draft:
    """One message to one recipient; with the same `key` a sender's retry within a day is the same.

    To EVERYBODY it is a broadcast: one message to each agent but the sender. `urgent`: it may use
    the reserve of a budget. `by_turn`: a turn of its sender sends it, which may be its answer to
    what that turn holds.
    """

    sender: str
    to: str
    body: str
    in_reply_to: int | None = field(default=None, converter=_reference)
    key: str | None = None
    urgent: bool = False
    by_turn: bool = False


def check(draft: Draft, recipients: Collection[str], body_cap: int) -> None:
    """Raise UnknownRecipient, BodyTooLarge or BadMessage if the draft must not be sent."""
    if draft.to not in (OPERATOR, EVERYBODY) and draft.to not in recipients:
        raise UnknownRecipient(_nobody(draft.to, recipients))
    if not draft.body.strip():
        raise BadMessage("the body is empty: say something")
    if "\0" in draft.body:
        raise BadMessage("the body contains a NUL character: send text only")
    try:
        size = len(draft.body.encode())
    except UnicodeEncodeError as error:
        raise BadMessage(f"the body is not valid Unicode at character {error.start}") from None
    if size > body_cap:
        raise BodyTooLarge(
            f"the body has {size} bytes, at most {body_cap} are allowed: write the content to a "
            "file that the recipient can read and send its path, or send a summary"
        )
    if draft.key is not None and not (0 < len(draft.key) <= MAX_KEY and draft.key.isprintable()):
        raise BadMessage(f"the idempotency key must have 1 to {MAX_KEY} printable characters")


def check_single(draft: Draft, recipients: Collection[str], body_cap: int) -> None:
    """Check what must have one recipient: raises what `check` does, BadMessage for a broadcast."""
    if draft.to == EVERYBODY:
        raise BadMessage(f"this goes to one recipient: name it instead of {EVERYBODY}")
    check(draft, recipients, body_cap)


def check_rights(draft: Draft, rights: Rights) -> None:
    """Raise NotAllowed if the sender must not write to that recipient."""
    if draft.to == draft.sender or rights.allow(draft.to):
        return
    listed = rights.recipients or frozenset()
    names = ", ".join(sorted(listed | ALWAYS))
    what = "send to all agents" if draft.to == EVERYBODY else f"write to {draft.to}"
    raise NotAllowed(
        f"you may not {what}: you may write to {names}; "
        f"ask one of them to pass it on, or the operator for the right"
    )


def addressed(draft: Draft, recipients: Collection[str]) -> tuple[Draft, ...]:
    """Return the draft, or of a broadcast one for each recipient; the first one has its key.

    Raises BadMessage for a broadcast that is urgent, or that nobody would get.
    """
    if draft.to != EVERYBODY:
        return (draft,)
    if draft.urgent:
        raise BadMessage("a broadcast cannot be urgent: send it to those who must act")
    names = sorted(set(recipients) - {OPERATOR, draft.sender})
    if not names:
        raise BadMessage("there is nobody else to whom a broadcast could go")
    first, *others = names
    return (evolve(draft, to=first), *(evolve(draft, to=name, key=None) for name in others))


def checked_line(text: str, what: str, most: int, *, needed: bool = False) -> str:
    """`text` on one line, without what could drive a terminal; `what` names it in the error.

    Raises BadLine if it has more than `most` characters, or none although it is `needed`.
    """
    line = flattened("".join(c if c.isprintable() else " " for c in text))
    if len(line) > most:
        raise BadLine(f"{what} has {len(line)} characters, at most {most} are allowed: shorten it")
    if needed and not line:
        raise BadLine(f"{what} is empty: say something")
    return line


def _nobody(name: str, recipients: Collection[str]) -> str:
    known = sorted({*recipients, OPERATOR})
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return (
        f"nobody is called {name[:40]!r}: you can send to {', '.join(known[:_SHOWN])}{more}, "
        f"or to {EVERYBODY} for all agents"
    )
