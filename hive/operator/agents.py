"""Agents: created, started, stopped, restarted, destroyed, and given rights to send."""

from collections.abc import Awaitable, Callable

from attrs import frozen

from hive.agents import Fleet
from hive.link import LinkError
from hive.operator.destroy import Destroyer
from hive.operator.handlers import Act, Table, act
from hive.wire.agents import AgentCommand, SetRights, Spawn


def table(fleet: Fleet, destroyer: Destroyer) -> Table:
    """What the operator may do with agents."""
    agents = _Agents(fleet, destroyer)
    return {
        Spawn: act(
            agents.spawn, lambda one: Act("spawn", one.name, _rights(one.may_send)), has_steps=True
        ),
        AgentCommand: act(agents.command, lambda one: Act(one.action, one.name), has_steps=True),
        SetRights: act(
            agents.allow,
            lambda one: Act("rights", one.name, _rights(one.may_send) or "to all"),
            has_steps=True,
        ),
    }


@frozen
class _Agents:
    fleet: Fleet
    destroyer: Destroyer

    async def spawn(self, wish: Spawn) -> None:
        await self.fleet.create(wish)

    async def command(self, command: AgentCommand) -> None:
        actions: dict[str, Callable[[str], Awaitable[object]]] = {
            "start": self.fleet.start,
            "stop": self.fleet.stop,
            "restart": self.fleet.restart,
            "destroy": self.destroyer.destroy,
        }
        if command.action not in actions:
            raise LinkError("bad_request", f"action must be one of {[*actions]}")
        await actions[command.action](command.name)

    async def allow(self, rights: SetRights) -> None:
        await self.fleet.allow(rights.name, rights.may_send)


def _rights(may_send: tuple[str, ...] | None) -> str:
    return "" if may_send is None else f"may send to {' '.join(may_send) or 'nobody else'}"
