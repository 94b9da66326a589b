"""The owner of all wake-ups: ordered by agents, and sent when no turn of theirs runs."""

import logging
import time
import uuid
from collections.abc import Callable, Sequence

import apsw
import trio

from hive.broker import Broker, Draft, checked_line, key_is_used
from hive.store import Store, StoreError
from hive.supervisors import Context
from hive.wake_ups import policy, rows
from hive.wake_ups.policy import BY_SCRIPT, MOST_LABEL, MOST_REASON, NEXT_TURN, WakeUpKind
from hive.wire.daemon import Done
from hive.wire.messages import Sent
from hive.wire.wake_ups import FromAgent, RequestNextTurn, Wake

KEEP_S = 86400.0
"""How long a row is kept that is not pending any more."""

_log = logging.getLogger(__name__)


class WakeUpService:
    """All wake-ups of the hive. `wall` gives epoch seconds.

    Every method that writes raises StoreError with nothing changed.
    """

    def __init__(
        self, store: Store, broker: Broker, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._broker = broker
        self._wall = wall
        self._pending: set[str] = set()
        """Agents that are woken once more when their turn has ended."""

    async def run(self, ctx: Context) -> None:
        """The supervised child: load, then be there. It has no loop, so it never ticks.

        Raises StoreError when the table cannot be read.
        """
        await self.load()
        ctx.ready(self)
        await trio.sleep_forever()

    async def load(self) -> None:
        """Read who waits for the end of its turn; to be called once before anything else.

        Raises StoreError.
        """
        self._pending = set(await self._store.read(rows.agents_pending))

    async def handle(self, agent: str, body: FromAgent) -> Sent | Done:
        """Answer a request from the agent's own socket; raises what the method for it does."""
        match body:
            case RequestNextTurn(reason):
                await self.request_next_turn(agent, reason)
                return Done()
            case Wake(label, text, key):
                return Sent(await self.wake(agent, label, text, key))

    async def request_next_turn(self, agent: str, reason: str) -> None:
        """Wake the agent once more when its turn has ended.

        Asked again before that, nothing changes, not even the reason. Raises BadLine,
        TooManyWakeUps, and what Broker.check does.
        """
        reason = checked_line(reason, "the reason", MOST_REASON, needed=True)
        self._broker.check(policy.one_more_turn(agent, reason))

        def job(connection: apsw.Connection) -> None:
            if rows.pending(connection, agent) is None:
                self._add(connection, agent, NEXT_TURN, reason, pending=True)

        await self._store.write(job, lambda _: self._pending.add(agent))

    async def wake(self, agent: str, label: str, text: str, key: str | None = None) -> int:
        """Send a message of the agent to itself, from what calls itself `label`; returns its id.

        The same `key` again sends nothing. Raises BadLine, TooManyWakeUps, and what Broker.check
        does.
        """
        label = checked_line(label, "the label", MOST_LABEL, needed=True)
        key = key or uuid.uuid4().hex
        draft = policy.by_script(agent, label, text, key)
        self._broker.check(draft)

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            if not key_is_used(connection, agent, key, time.time()):
                self._add(connection, agent, BY_SCRIPT, label, pending=False)
            return (draft,)

        (id_,) = await self._broker.send_in_transaction(prepare)
        return id_

    async def send_pending(self, agent: str) -> None:
        """Send what the agent has ordered for the end of its turn: no turn of it runs now.

        Cheap when there is nothing. Raises no StoreError: a full disk must not keep an agent from
        its work, and what was not sent stays pending.
        """
        if agent not in self._pending:
            return

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            reason = rows.pending(connection, agent)
            if reason is None:
                return ()
            rows.no_longer_pending(connection, agent)
            return (policy.one_more_turn(agent, reason),)

        self._pending.discard(agent)
        sent = False
        try:
            await self._broker.send_in_transaction(prepare)
            sent = True
        except StoreError as error:
            _log.warning("%s is not woken once more for now: %s", agent, error)
        finally:
            if not sent:  # or nobody knows: then there will be nothing to do
                self._pending.add(agent)

    async def forget(self, agent: str) -> None:
        """The agent is no more: it is not woken once more. Raises StoreError."""
        await self._store.write(lambda c: rows.no_longer_pending(c, agent))
        self._pending.discard(agent)

    def _add(
        self, connection: apsw.Connection, agent: str, kind: WakeUpKind, text: str, *, pending: bool
    ) -> None:
        """Note a wake-up of now; raises TooManyWakeUps."""
        now = self._wall()
        rows.forget(connection, agent, now - KEEP_S)
        times = rows.times(connection, agent, kind.word, now - policy.HOUR_S)
        policy.check_rate(times, kind, now)
        rows.add(connection, agent, kind.word, text, now, pending=pending)
