"""Names and groups of actors; an entry ends with the incarnation that was registered.

A parked actor keeps its entries: its name and mailbox wait with it.
"""

from __future__ import annotations

from hive.actors.errors import NameTaken, NoActor
from hive.actors.ref import ActorRef


class Registry:
    """Make one for each run; nothing is global. All methods are synchronous.

    An incarnation registers itself, usually in init(); when it ends, its entries are gone before
    anybody else can look. Registering again what is there already is allowed.
    """

    def __init__(self) -> None:
        self._names: dict[str, ActorRef] = {}
        self._groups: dict[str, dict[ActorRef, object]] = {}

    def register(self, name: str, ref: ActorRef) -> None:
        """Give a unique name to a live or parked actor; raises NameTaken, NoActor."""
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
        """Free a name; nothing happens if nobody has it."""
        self._names.pop(name, None)

    def whereis(self, name: str) -> ActorRef:
        """Who has the name; raises NoActor."""
        try:
            return self._names[name]
        except KeyError:
            raise NoActor(f"nobody is registered as {name!r}") from None

    def names(self) -> tuple[str, ...]:
        """All names in order of registration."""
        return tuple(self._names)

    def join(self, group: str, ref: ActorRef) -> None:
        """Add a live or parked actor to a group, once; raises NoActor."""
        if ref in self._groups.get(group, {}):
            return
        ref.on_vacant(lambda: self.leave(group, ref))
        self._groups.setdefault(group, {})[ref] = None

    def leave(self, group: str, ref: ActorRef) -> None:
        """Take an actor out of a group; nothing happens if it is not in it."""
        members = self._groups.get(group, {})
        members.pop(ref, None)
        if not members:
            self._groups.pop(group, None)

    def members(self, group: str) -> tuple[ActorRef, ...]:
        """All of a group in order of joining."""
        return tuple(self._groups.get(group, ()))
