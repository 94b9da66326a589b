"""Names and groups of actors. An entry ends with the incarnation that was registered.

A parked actor keeps its entries, as it keeps its mailbox.
"""

from __future__ import annotations

from hive.actors.errors import NameTaken, NoActor
from hive.actors.ref import ActorRef


class Registry:
    """Finds actors by name and by group. Make one for each run of Trio: nothing is global.

    An incarnation registers itself, usually in init(); when it ends, its entries are gone before
    anybody else can look. Registering again what is there already is allowed. All methods are
    synchronous.
    """

    def __init__(self) -> None:
        self._names: dict[str, ActorRef] = {}
        self._groups: dict[str, dict[ActorRef, object]] = {}

    def register(self, name: str, ref: ActorRef) -> None:
        """Give a unique name to a live or parked actor.

        Raises NameTaken when another one has it, and NoActor when this one neither runs nor is
        parked.
        """
        owner = self._names.get(name)
        if owner is ref:
            return
        if owner is not None:
            raise NameTaken(f"{name!r} is {owner!r}; unregister that one first")

        def free() -> None:
            if self._names.get(name) is ref:
                del self._names[name]

        ref.on_vacant(free)
        self._names[name] = ref

    def unregister(self, name: str) -> None:
        """Free a name; does nothing if nobody has it."""
        self._names.pop(name, None)

    def whereis(self, name: str) -> ActorRef:
        """Return the actor that has the name. Raises NoActor if there is none."""
        try:
            return self._names[name]
        except KeyError:
            raise NoActor(f"nobody is registered as {name!r}") from None

    def names(self) -> tuple[str, ...]:
        """Return all names in order of registration."""
        return tuple(self._names)

    def join(self, group: str, ref: ActorRef) -> None:
        """Add a live or parked actor to a group; does nothing if it is in it.

        Raises NoActor when it neither runs nor is parked.
        """
        if ref in self._groups.get(group, {}):
            return
        ref.on_vacant(lambda: self.leave(group, ref))
        self._groups.setdefault(group, {})[ref] = None

    def leave(self, group: str, ref: ActorRef) -> None:
        """Take an actor out of a group; does nothing if it is not in it."""
        members = self._groups.get(group, {})
        members.pop(ref, None)
        if not members:
            self._groups.pop(group, None)

    def members(self, group: str) -> tuple[ActorRef, ...]:
        """Return all of a group in order of joining; empty if there is no such group."""
        return tuple(self._groups.get(group, ()))
