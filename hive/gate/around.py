"""What the hive gives to its gates."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from attrs import frozen

from hive.gate.client import Client
from hive.gate.hold import Hold
from hive.gate.settings import GateSettings
from hive.gate.table import Row
from hive.gate.value import World
from hive.wire import Event


class Keeper(Protocol):
    """Where the gates' rows are kept; raises StoreError."""

    async def save(self, rows: Collection[Row], gone: Collection[tuple[str, str]]) -> None:
        """Keep these rows and drop those."""


@frozen
class Around:
    """The hive's side of every gate; all of these are quick and do not raise.

    `clients` tells who uses a credential and is read at each decision. `apply` tells an agent its
    hold, None that it may work. `now` is the wall clock, `chance` gives numbers in [0, 1).
    """

    table: Keeper
    clients: Callable[[str], Sequence[Client]]
    apply: Callable[[str, Hold | None], object]
    publish: Callable[[str | None, Event], object]
    settings: GateSettings
    now: Callable[[], float]
    chance: Callable[[], float]

    def world(self, credential: str) -> World:
        """What a decision about this credential depends on, now."""
        clients = tuple(self.clients(credential))
        return World(clients, self.now(), self.chance(), self.settings)
