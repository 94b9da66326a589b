"""Who may do what with which agent. Pure.

An agent's permissions are lists in its `agent.toml`, which only an approval of the operator can
change. What is not in a list is not allowed, so an empty one allows nothing.
"""

from collections.abc import Collection, Mapping

from hive.lifecycle.policy import Verb
from hive.wire.names import EVERYBODY, OPERATOR

LISTS: dict[Verb, str] = {
    Verb.INIT: "spawn",
    Verb.SPAWN: "spawn",
    Verb.APPLY: "config",
    Verb.REBUILD: "rebuild",
    Verb.CANCEL: "rebuild",
    Verb.PAUSE: "pause",
    Verb.UNPAUSE: "unpause",
    Verb.STOP: "stop",
    Verb.START: "start",
    Verb.RESTART: "restart",
    Verb.DESTROY: "destroy",
    Verb.REVIVE: "revive",
    Verb.PURGE: "destroy",
}
"""The list that allows each verb, by its key in `permissions` of `agent.toml`.

No list allows an agent to export another one.
"""

NEEDS_APPROVAL = frozenset({Verb.SPAWN, Verb.APPLY, Verb.PURGE})
"""What an agent that may do it can only propose: the operator decides."""


def why_not_allowed(
    caller: str,
    verb: Verb,
    target: str,
    permissions: Mapping[str, Collection[str]],
    ancestors: Collection[str] = (),
) -> str | None:
    """Why the caller may not do this with the target, and what to do; None if it may.

    `permissions` has for each list the agents that it names, EVERYBODY for all others below the
    caller. `ancestors` are the caller's parent, that one's parent and so on: they are meant only
    where a list has their name, because the caller hangs on them. EVERYBODY as the target means all
    agents at once, the caller included, as in a rollout, which drains each before it restarts it.
    """
    if caller == OPERATOR:
        return None
    if target == caller:
        return (
            f"you cannot {verb} yourself: that would end what you are doing before it is done. Ask "
            "the operator, or whoever leads you"
        )
    name = LISTS.get(verb)
    if name is None:
        return f"only the operator can {verb} an agent: ask them"
    allowed = permissions.get(name, ())
    if target in allowed or (EVERYBODY in allowed and target not in ancestors):
        return None
    named = ", ".join(sorted(allowed)) or "nobody"
    whom = "all agents at once" if target == EVERYBODY else target
    return (
        f"you are not permitted to {verb} {whom}: your list {name!r} names {named}. Ask the "
        "operator to do it, or propose a change of your permissions"
    )
