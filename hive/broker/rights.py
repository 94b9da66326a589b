"""Whom an agent may write to."""

from collections.abc import Collection

from attrs import frozen

from hive.broker.draft import Draft
from hive.broker.errors import NotAllowed
from hive.wire import EVERYBODY, OPERATOR

MANAGER = "manager"
"""The agent that leads the others, if there is one of that name."""

ALWAYS = frozenset({OPERATOR, MANAGER})


@frozen
class Rights:
    """The recipients that one agent is limited to; EVERYBODY among them allows broadcasts.

    `recipients` None: no limit. The operator and the manager can always be written to.
    """

    recipients: frozenset[str] | None = None


def check_rights(draft: Draft, rights: Rights) -> None:
    """Raise NotAllowed if the sender must not write to that recipient."""
    listed = rights.recipients
    if listed is None or draft.to in ALWAYS or draft.to in listed:
        return
    what = "send to all agents" if draft.to == EVERYBODY else f"write to {draft.to}"
    raise NotAllowed(
        f"you may not {what}: you may write to {_names(listed | ALWAYS)}; "
        f"ask one of them to pass it on, or the operator for the right"
    )


def _names(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
