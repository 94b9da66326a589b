"""Names and groups of actors; an entry ends with the incarnation that was registered."""

from __future__ import annotations

from hive.actors.errors import NameTaken, NoActor
from hive.actors.monitors import Down
from hive.actors.ref import ActorRef


class Registry:
    """Make one for each run; nothing is global. All methods are synchronous.

    An incarnation registers itself, usually in init(); when it ends, its entries are gone before
    anybody else can look.
    """

    def __init__(self) -> None:
        self._names: dict[str, ActorRef] = {}
        self._groups: dict[str, list[ActorRef]] = {}

    def register(self, name: str, ref: ActorRef) -> None:
        """Give a unique name to a live actor; raises NameTaken, NoActor."""
        if name in self._names:
            raise NameTaken(f"{name!r} is {self._names[name]!r}; unregister that one first")
        ref.incarnation()
        self._names[name] = ref

        def gone(_: Down) -> None:
            if self._names.get(name) is ref:
                del self._names[name]

        ref.monitor(gone)

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
        """Add a live actor to a group, once; raises NoActor."""
        ref.incarnation()
        if ref in self.members(group):
            return
        self._groups.setdefault(group, []).append(ref)
        ref.monitor(lambda _: self.leave(group, ref))

    def leave(self, group: str, ref: ActorRef) -> None:
        """Take an actor out of a group; nothing happens if it is not in it."""
        members = [one for one in self._groups.get(group, []) if one is not ref]
        if members:
            self._groups[group] = members
        else:
            self._groups.pop(group, None)

    def members(self, group: str) -> tuple[ActorRef, ...]:
        """All of a group in order of joining."""
        return tuple(self._groups.get(group, ()))
