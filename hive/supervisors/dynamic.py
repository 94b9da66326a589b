"""A supervisor whose set of children comes from elsewhere each time it starts."""

from __future__ import annotations

import math
import random as _random
from collections.abc import Awaitable, Callable, Sequence

from attrs import evolve

from hive.supervisors.errors import SpecError
from hive.supervisors.events import Sink
from hive.supervisors.intensity import DEFAULT_INTENSITY, RestartIntensity
from hive.supervisors.spec import AutoShutdown, ChildSpec, check_specs
from hive.supervisors.supervisor import Supervisor


class DynamicSupervisor(Supervisor):
    """one_for_one; children start and stop concurrently, at most `width` at a time.

    `load` gives the children of each incarnation, so a restart of the supervisor loses none. It is
    ready when it has them; a child that does not start then is restarted by its own spec and ends
    nobody else. What ends or is terminated is forgotten. `max_children` counts all that are known,
    also those in back-off or parked; start_child() beyond it raises MaxChildren.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Sequence[ChildSpec]]] | None = None,
        *,
        intensity: RestartIntensity = DEFAULT_INTENSITY,
        max_children: float = math.inf,
        width: int = 32,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        sink: Sink | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        super().__init__(intensity=intensity, auto_shutdown=auto_shutdown, sink=sink, random=random)
        if width < 1 or max_children < 1:
            raise SpecError(f"width is {width}, max_children {max_children}; allowed: 1 or more")
        self._flags = evolve(self._flags, width=width, dynamic=True, max_children=max_children)
        self._loader = load

    async def _load(self) -> Sequence[ChildSpec]:
        if self._loader is None:
            return ()
        specs = await self._loader()
        if not isinstance(specs, Sequence) or isinstance(specs, str):
            raise SpecError(f"load() gave a {type(specs).__name__}; allowed: a list of ChildSpec")
        check_specs(specs, auto_shutdown=self._flags.auto_shutdown)
        if len(specs) > self._flags.max_children:
            raise SpecError(f"{len(specs)} children; allowed: {self._flags.max_children:g}")
        return specs
