"""Wake-ups that an agent orders for itself: at the end of its turn, or by a script of its own.

Each costs a turn, so each kind has a cap: an agent that wakes itself for ever is a hot loop.
"""

import time
from collections.abc import Callable, Sequence

import apsw

from hive.broker import Broker, Draft, key_is_used
from hive.questions import policy, rows
from hive.store import Store

NEXT_TURNS_AN_HOUR = 12
WAKES_AN_HOUR = 60
HOUR_S = 3600.0
MOST_REASON = 1_000
MOST_LABEL = 60
KEEP_S = 86400.0

_NEXT_TURN, _WAKE = "next_turn", "wake"


class Wakes:
    """All wake-ups of the hive. Every method that writes raises StoreError, nothing changed."""

    def __init__(
        self, store: Store, broker: Broker, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._broker = broker
        self._wall = wall
        self._pending: set[str] = set()

    async def load(self) -> None:
        """Read who waits for the end of its turn; to be called once before anything else."""
        self._pending = set(await self._store.read(rows.all_pending))

    async def next_turn(self, agent: str, reason: str) -> None:
        """Wake the agent once more when its turn has ended.

        Asked again before that, nothing changes, not even the reason. Raises BadLine, TooMany,
        and what Broker.check does.
        """
        reason = policy.checked_line(reason, "the reason", most=MOST_REASON, needed=True)
        self._broker.check(_once_more(agent, reason))

        def job(connection: apsw.Connection) -> None:
            if rows.pending(connection, agent) is None:
                now = self._count(connection, agent, _NEXT_TURN, NEXT_TURNS_AN_HOUR, "next turns")
                rows.add_wake(connection, agent, _NEXT_TURN, reason, now, pending=True)

        await self._store.write(job, lambda _: self._pending.add(agent))

    async def turn_over(self, agent: str) -> None:
        """No turn of the agent runs: what it ordered for now becomes a message. Often called."""
        if agent not in self._pending:
            return

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            reason = rows.pending(connection, agent)
            if reason is None:
                return ()
            rows.no_longer_pending(connection, agent)
            return (_once_more(agent, reason),)

        self._pending.discard(agent)
        sent = False
        try:
            await self._broker.send_within(prepare)
            sent = True
        finally:
            if not sent:  # or nobody knows: then there will be nothing to do
                self._pending.add(agent)

    async def forget(self, agent: str) -> None:
        """The agent is no more: it is not woken once more."""
        await self._store.write(lambda c: rows.no_longer_pending(c, agent))
        self._pending.discard(agent)

    async def wake(self, agent: str, label: str, text: str, key: str | None) -> int:
        """A message of the agent to itself, by what calls itself `label`; returns its id.

        Raises BadLine, TooMany, and what Broker.check does.
        """
        label = policy.checked_line(label, "the label", most=MOST_LABEL, needed=True)
        body = f'Woken from within your container by "{label}":\n{text}'
        draft = Draft(agent, agent, body, key=key)
        self._broker.check(draft)

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            if key is None or not key_is_used(connection, agent, key, time.time()):
                now = self._count(connection, agent, _WAKE, WAKES_AN_HOUR, "wake-ups by scripts")
                rows.add_wake(connection, agent, _WAKE, label, now, pending=False)
            return (draft,)

        (id_,) = await self._broker.send_within(prepare)
        return id_

    def _count(
        self, connection: apsw.Connection, agent: str, kind: str, most: int, what: str
    ) -> float:
        """The time for a new one; raises TooMany."""
        now = self._wall()
        rows.forget_wakes(connection, agent, now - KEEP_S)
        times = rows.wake_times(connection, agent, kind, now - HOUR_S)
        policy.check_rate(times, most, now, what, HOUR_S)
        return now


def _once_more(agent: str, reason: str) -> Draft:
    return Draft(agent, agent, f"You asked for one more turn: {reason}")
