"""The acts of operators: each with its line in the audit.

A request that is not one of QUESTIONS is an act: the audit records it, so none can be forgotten.
"""

from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen

from hive.wire import (
    OPERATOR,
    OWN_LOGIN,
    Ack,
    AgentCommand,
    Answer,
    Body,
    Down,
    EditSchedule,
    GateCommand,
    LoggedIn,
    OperatorSend,
    Resolve,
    ResolveReminder,
    ResolveSchedule,
    SetBudget,
    SetCredential,
    SetRights,
    Spawn,
    TreeCommand,
    UseCredential,
)
from hive.wire.codec import tag_of

_BEGINNING = 100
"""Characters of a message's body."""


@frozen
class Act:
    """What somebody wants done, and to whom, in words. It never holds a secret."""

    action: str
    target: str = ""
    detail: str = ""
    is_one_write: bool = False
    """It is nothing but one write of the store."""


def described(body: Body) -> Act:
    """The act in words; of a class without words of its own only the name."""
    words = DESCRIPTIONS.get(type(body))
    return Act(tag_of(type(body))) if words is None else words(body)


def _send(one: OperatorSend) -> Act:
    marks = (
        f"from {one.sender}" if one.sender != OPERATOR else "",
        f"in reply to {one.in_reply_to}" if one.in_reply_to is not None else "",
        "urgent" if one.urgent else "",
        " ".join(one.body[:_BEGINNING].split()),
    )
    return Act("send", one.to, ": ".join(filter(None, marks)), is_one_write=True)


def _credential(one: SetCredential) -> Act:
    kind = "API key" if one.api_key is not None else "OAuth token"
    return Act("login", one.name, f"credential, {kind}")


def _rights(may_send: tuple[str, ...] | None) -> str:
    return "" if may_send is None else f"may send to {' '.join(may_send) or 'nobody else'}"


def _tree(one: TreeCommand) -> Act:
    detail = f"{one.reason or ''} until {one.until}" if one.until else one.reason or ""
    return Act(one.action, one.path, detail)


def _budget(one: SetBudget) -> Act:
    what = "none" if one.amount is None else one.unit.text(one.amount)
    reserve = one.unit.text(one.reserve)
    return Act("budget", one.scope, f"{what}, per {one.period.value}, reserve {reserve}")


def _edit(one: EditSchedule) -> Act:
    given = (one.cron or one.every_s, one.zone, one.to and " ".join(one.to), one.text)
    return Act("edit", f"schedule {one.id}", " ".join(str(part) for part in given if part))


def _ids(ids: Iterable[int]) -> str:
    return " ".join(map(str, ids))


DESCRIPTIONS: dict[type, Callable[[Any], Act]] = {
    OperatorSend: _send,
    Ack: lambda one: Act("read", "messages", _ids(one.ids)),
    Resolve: lambda one: Act(one.action, "messages", _ids(one.ids)),
    Answer: lambda one: Act(
        "answer", f"question {one.question}", one.text or f"option {_ids(one.options)}"
    ),
    Spawn: lambda one: Act("spawn", one.name, _rights(one.may_send)),
    AgentCommand: lambda one: Act(one.action, one.name),
    SetRights: lambda one: Act("rights", one.name, _rights(one.may_send) or "to all"),
    TreeCommand: _tree,
    GateCommand: lambda one: Act(
        f"gate {one.action}", one.credential, " ".join(filter(None, (one.bucket, one.reason)))
    ),
    SetCredential: _credential,
    LoggedIn: lambda one: Act("login", one.agent, f"credential {OWN_LOGIN}"),
    UseCredential: lambda one: Act("use-credential", one.agent, f"credential {one.credential}"),
    SetBudget: _budget,
    ResolveReminder: lambda one: Act(one.action, f"reminder {one.id}"),
    ResolveSchedule: lambda one: Act(one.action, f"schedule {one.id}", one.reason or ""),
    EditSchedule: _edit,
    Down: lambda _: Act("down", "the hive"),
}
