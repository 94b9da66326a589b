"""A directory of agents that exist in no store: whom a test names."""

from collections.abc import Callable, Collection, Mapping

from hive.directory import Directory, Rights

NO_LIMIT = Rights()


class Named(Directory):
    """The agents of `names()`, asked each time; whom `rights` does not name has no limit."""

    def __init__(
        self, names: Callable[[], Collection[str]], rights: Mapping[str, Rights] | None = None
    ) -> None:
        self._names, self._rights = names, {} if rights is None else rights

    def names(self) -> frozenset[str]:
        return frozenset(self._names())

    def rights(self, sender: str) -> Rights:
        return self._rights.get(sender, NO_LIMIT)
