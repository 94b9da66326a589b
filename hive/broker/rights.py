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

    `recipients` None: no limit. The operator and the manager can always be written to,
    and everybody may write to himself.
    """

    recipients: frozenset[str] | None = None

    def allow(self, name: str) -> bool:
        """Whether one may write to `name`, or for EVERYBODY to all."""
        return self.recipients is None or name in ALWAYS or name in self.recipients


def check_rights(draft: Draft, rights: Rights) -> None:
    """Raise NotAllowed if the sender must not write to that recipient."""
    if draft.to == draft.sender or rights.allow(draft.to):
        return
    listed = rights.recipients or frozenset()
    what = "send to all agents" if draft.to == EVERYBODY else f"write to {draft.to}"
    raise NotAllowed(
        f"you may not {what}: you may write to {_names(listed | ALWAYS)}; "
        f"ask one of them to pass it on, or the operator for the right"
    )


def _names(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
