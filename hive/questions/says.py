"""The line that each agent shows to the operator; kept, so that it outlives the daemon."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from hive.questions import policy, rows
from hive.store import Store


class Says:
    """One line an agent; raises StoreError where it writes."""

    def __init__(self, store: Store, publish: Callable[[str, str], object]) -> None:
        self._store = store
        self._publish = publish
        self._lines: dict[str, str] = {}

    async def load(self) -> None:
        """Read all lines; to be called once before anything else."""
        self._lines = await self._store.read(rows.all_lines)

    @property
    def lines(self) -> Mapping[str, str]:
        """A live view; a name that is missing says nothing."""
        return MappingProxyType(self._lines)

    async def set(self, agent: str, text: str) -> None:
        """Set the agent's line (empty: clear it); raises BadLine."""
        line = policy.checked_line(text, "the status")

        def done(_: None) -> None:
            before = self._lines.pop(agent, "")
            if line:
                self._lines[agent] = line
            if line != before:
                self._publish(agent, line)

        await self._store.write(lambda c: rows.say(c, agent, line, time.time()), done)
