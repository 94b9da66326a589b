"""The owner of reminders: set, listed, cancelled, and delivered when they are due."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import apsw
import trio
from attrs import evolve, frozen

from hive.alarm import Alarm
from hive.broker import Broker, BrokerError, Draft
from hive.reminders import policy, rows
from hive.reminders.policy import BadReminder, NoSuchReminder, ReminderLimits
from hive.reminders.spill import FOLDER, spill
from hive.store import Store, StoreError
from hive.supervisors import Context
from hive.wire.bounds import MAX_ID, clamp
from hive.wire.daemon import Done, Notice
from hive.wire.events import Event
from hive.wire.reminders import (
    Remind,
    Reminded,
    Reminder,
    ReminderRollup,
    ReminderState,
    ResolveReminder,
    Rollup,
)

BATCH_DEADLINE_S = 10.0
"""How long a stop waits for the batch that is under way; the store finishes it in any case."""

STORE_RETRY_S = 5.0
MOST_LISTED = 500
SHOWN = 200
"""Characters of a text in a list."""


@frozen
class StateFolder:
    """An agent's state folder: its path on this machine, and in the agent's container."""

    path: Path
    inside: Path


class ReminderService:
    """All reminders of the hive; times in epoch seconds.

    `scheduler(agent)` runs in the agent's subtree. `run`, the hive's own child, delivers for those
    agents whose scheduler does not run: stopped, or in back-off. Two that deliver for the same
    agent harm nothing: what is sent is decided in the writer's transaction.
    Methods that write raise StoreError with nothing changed.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        *,
        state_folder: Callable[[str], StateFolder],
        publish: Callable[[str | None, Event], object],
        limits: ReminderLimits = policy.ReminderLimits(),  # noqa: B008 - frozen
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._broker = broker
        self._state_folder = state_folder
        self._publish = publish
        self._limits = limits
        self._now = now
        self._alarms: dict[str, Alarm] = {}
        self._common_alarm = Alarm(now)
        self._one_batch = trio.Lock()
        """One batch at a time in the whole hive: who sends waits for at most one."""

    # --- asked by agents -----------------------------------------------------------------------

    async def remind(self, agent: str, wish: Remind) -> Reminded:
        """Set a reminder of the agent.

        The same key again gives what was set first. Raises BadReminder for a time, a text or a
        file that cannot be, TooManyReminders when too many wait or were set of late.
        """
        now = self._now()
        due = policy.due_time(wish.delay_s, wish.at, now)
        text, file = policy.check_text(wish.text), policy.check_file(wish.file)

        def job(connection: apsw.Connection) -> Reminded:
            if (known := rows.of_key(connection, agent, wish.key)) is not None:
                return Reminded(known.id, known.due_at)
            policy.check_pending(rows.count_open(connection, agent), self._limits)
            pace = policy.take(rows.pace(connection, agent), self._limits, now)
            rows.keep_pace(connection, agent, pace)
            id_ = rows.insert(connection, agent, text, file, now, due, wish.key)
            return Reminded(id_, due)

        return await self._store.write(job, lambda _: self._changed(agent))

    async def cancel(self, agent: str, id_: int) -> Done:
        """Cancel a reminder of the agent; raises NoSuchReminder if it has none that waits."""
        now = self._now()
        if not await self._store.write(lambda c: rows.cancel(c, clamp(id_, 0, MAX_ID), now, agent)):
            raise NoSuchReminder(
                f"you have no reminder {id_} that waits: see list_reminders; one that was "
                "delivered cannot be cancelled"
            )
        return Done()

    async def listed(self, agent: str | None, limit: int = MOST_LISTED) -> tuple[Reminder, ...]:
        """Pending and failed reminders, soonest first, texts cut short; None: of all agents."""
        most = clamp(limit, 1, MOST_LISTED)
        found = await self._store.read(lambda c: rows.listed(c, agent, most))
        return tuple(evolve(one, text=one.text[:SHOWN]) for one in found)

    async def rollup(self, asked: ReminderRollup, agent: str | None) -> Rollup:
        """Count what became of an agent's reminders; None: of all agents'."""
        return await self._store.read(lambda c: rows.rollup(c, asked.since, agent))

    # --- asked by the operator -----------------------------------------------------------------

    async def resolve(self, wish: ResolveReminder) -> Done:
        """Retry a failed reminder or cancel an open one.

        Raises BadReminder for another action, NoSuchReminder if there is none in that state.
        """
        now = self._now()
        jobs: dict[str, Callable[[apsw.Connection], bool]] = {
            "retry": lambda c: rows.retry(c, clamp(wish.id, 0, MAX_ID), now),
            "cancel": lambda c: rows.cancel(c, clamp(wish.id, 0, MAX_ID), now, None),
        }
        if wish.action not in jobs:
            raise BadReminder(f"action must be one of {sorted(jobs)}")
        if not await self._store.write(jobs[wish.action], lambda _: self._changed(None)):
            state = "that failed" if wish.action == "retry" else "that waits"
            raise NoSuchReminder(f"there is no reminder {wish.id} {state}: see `hive reminders`")
        return Done()

    # --- delivering ----------------------------------------------------------------------------

    async def scheduler(self, ctx: Context, agent: str) -> None:
        """The supervised child of one agent: sleeps until its next reminder is due."""
        with self._alarm_of(agent) as alarm:
            ctx.ready()
            await self._serve(ctx, alarm, agent)

    async def run(self, ctx: Context) -> None:
        """The hive's own child: delivers for the agents whose scheduler does not run."""
        ctx.ready(self)
        await self._serve(ctx, self._common_alarm, None)

    async def deliver(self, agent: str) -> int:
        """Deliver one batch of what is due to the agent; returns how many were tried.

        A cancellation takes effect before or after the batch.
        """
        async with self._one_batch:
            with trio.move_on_after(BATCH_DEADLINE_S, shield=True):
                now = self._now()
                read = partial(rows.due, agent=agent, now=now, limit=policy.BATCH)
                due = await self._store.read(read)
                drafts = {}
                for reminder in due:
                    try:
                        drafts[reminder.id] = await self._draft(reminder, now)
                    except OSError as error:
                        await self._failed(reminder, f"its text could not be written: {error}")
                    except BrokerError as error:
                        await self._failed(reminder, str(error))
                if drafts:
                    await self._send(drafts, now)
                return len(due)
        return 0

    async def _serve(self, ctx: Context, alarm: Alarm, agent: str | None) -> None:
        while True:
            ctx.tick()
            alarm.reset()
            try:
                times = await self._store.read(lambda c: rows.next_due(c, agent))
                mine = {n: t for n, t in times.items() if n == agent or n not in self._alarms}
                due = [name for name, at in mine.items() if at <= self._now()]
                for name in due:
                    await self.deliver(name)
                    ctx.tick()
            except StoreError as error:
                ctx.note(f"waits for the store: {error}"[:200])
                await trio.sleep(STORE_RETRY_S)
                continue
            ctx.note(None)
            if not due:
                await alarm.wait(policy.next_due(mine.values()), ctx.tick)

    @contextmanager
    def _alarm_of(self, agent: str) -> Iterator[Alarm]:
        alarm = self._alarms[agent] = Alarm(self._now)
        try:
            yield alarm
        finally:
            if self._alarms.get(agent) is alarm:
                del self._alarms[agent]
                self._common_alarm.ring()

    async def _draft(self, reminder: Reminder, now: float) -> Draft:
        """The message; a long text is written to its file first. Raises OSError, BrokerError."""
        path = None
        if (file := policy.file_for(reminder)) is not None:
            folder = self._state_folder(reminder.agent)
            await trio.to_thread.run_sync(spill, folder.path, file, reminder.text)
            path = str(folder.inside / FOLDER / file)
        body = policy.body(reminder, now, path)
        draft = Draft(reminder.agent, reminder.agent, body, key=f"reminder-{reminder.id}")
        self._broker.check(draft)
        return draft

    async def _send(self, drafts: dict[int, Draft], now: float) -> None:
        """Messages and their marks in one transaction; what ended meanwhile is left out."""

        def prepare(connection: apsw.Connection) -> list[Draft]:
            sent = rows.mark_sent(connection, drafts, now)
            return [draft for id_, draft in drafts.items() if id_ in sent]

        await self._broker.send_in_transaction(prepare)

    async def _failed(self, reminder: Reminder, error: str) -> None:
        now = self._now()
        after = policy.failed(reminder, error[:SHOWN], now)
        if not await self._store.write(lambda c: rows.mark_failed(c, after, now)):
            return
        if after.state is ReminderState.FAILED:
            self._publish(
                reminder.agent,
                Notice(
                    f"reminder {after.id} of {after.agent} could not be delivered "
                    f"{after.attempts} times ({error[:SHOWN]}): "
                    f"hive reminders retry {after.id}, or cancel {after.id}"
                ),
            )

    def _changed(self, agent: str | None) -> None:
        """Let who delivers for this agent look again; None: for any."""
        alarms = (self._common_alarm, *self._alarms.values())
        for alarm in alarms if agent is None else (self._alarms.get(agent, self._common_alarm),):
            alarm.ring()
