"""Configurations of agents: the first one of each, what a commit changes, who may propose one.

Pure: from the files of a commit, by their paths, to values.
"""

import hashlib
from collections.abc import Collection, Mapping

from hive.agent_config import (
    AgentConfig,
    AgentConfigError,
    ClaudeSection,
    ContainerSection,
    HostCaps,
    PermissionsSection,
    changes,
    parse_files,
    to_toml,
)
from hive.directory import MANAGER, AgentRecord
from hive.wire.approvals import ApprovalKind, ChangedField
from hive.wire.names import EVERYBODY

MANAGERS_FIRST = PermissionsSection(config=(EVERYBODY,))
"""What a manager may do by the configuration that it begins with."""

_NO_PERMISSIONS = PermissionsSection()


def first_files(record: AgentRecord) -> dict[str, bytes]:
    """The configuration that an agent begins with: what it was spawned with, as an agent.toml.

    Raises ValueError for what an agent.toml cannot say, such as a driver of somebody's own.
    """
    manages = record.name == MANAGER
    permissions = MANAGERS_FIRST if manages else _NO_PERMISSIONS
    may_send = record.may_send
    if may_send is not None:  # a broadcast is a permission there, and oneself is always allowed
        may_send = tuple(one for one in may_send if one not in (EVERYBODY, record.name))
    broadcast = record.may_send is None or EVERYBODY in record.may_send
    config = AgentConfig(
        purpose="Leads the agents of this hive" if manages else "Not described yet",
        may_send=may_send,
        claude=ClaudeSection(model=record.model),
        container=ContainerSection(driver=record.driver),
        permissions=PermissionsSection(broadcast=broadcast, config=permissions.config),
    )
    return {"agent.toml": to_toml(config).encode()}


def permissions_of(agent: str, deployed: Mapping[str, bytes] | None) -> PermissionsSection:
    """What the agent may do by the configuration that is deployed; None: none is yet.

    A manager may then do what its first configuration allows it, everybody else nothing. One that
    cannot be read any more allows nothing.
    """
    if deployed is None:
        return MANAGERS_FIRST if agent == MANAGER else _NO_PERMISSIONS
    try:
        return parse_files(deployed, agent=agent).permissions
    except AgentConfigError:
        return _NO_PERMISSIONS


def why_not_proposed(by: str, agent: str, allowed: Collection[str]) -> str | None:
    """Why `by` may not propose a configuration of `agent`, and what to do; None if it may.

    `allowed` is its list `permissions.config`.
    """
    if by == agent:
        return (
            "you cannot propose a configuration of your own: ask whoever leads you, or the "
            "operator, to propose it"
        )
    if agent in allowed or EVERYBODY in allowed:
        return None
    named = ", ".join(sorted(allowed)) or "nobody"
    return (
        f"you are not permitted to propose a configuration of {agent}: permissions.config of your "
        f"deployed agent.toml names {named}. Ask the manager or the operator to propose it"
    )


def changed_fields(
    agent: str, old: Mapping[str, bytes], new: Mapping[str, bytes], host: HostCaps | None
) -> tuple[ChangedField, ...]:
    """The keys in which the configuration `new` differs from `old`; raises AgentConfigError.

    An old one that cannot be read any more counts as one in which nothing is set.
    """
    after = parse_files(new, agent=agent, host=host)
    try:
        before = parse_files(old, agent=agent)
    except AgentConfigError:
        before = AgentConfig(purpose="-")
    found = changes(before, after, old_prompts=_digests(old), new_prompts=_digests(new))
    return tuple(ChangedField(one.key, one.key_class) for one in found)


def kind_of(fields: Collection[ChangedField]) -> ApprovalKind:
    """Whether a commit that changes these changes permissions."""
    if any(one.key.startswith("permissions.") for one in fields):
        return ApprovalKind.PERMISSIONS
    return ApprovalKind.CONFIGURATION


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
