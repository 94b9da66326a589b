"""The owner of schedules: requested by agents, approved by the operator, run when due."""

import time
from collections.abc import Callable, Sequence

import apsw
import trio
from attrs import evolve, frozen

from hive.alarm import Alarm
from hive.broker import HIVE, Broker, BrokerError, Draft
from hive.directory import Directory
from hive.reminders.policy import check_text, iso
from hive.schedules import policy, rows
from hive.schedules.policy import BadSchedule, NoSuchSchedule, RecurrenceRule, TooManySchedules
from hive.store import Store, StoreError
from hive.supervisors import Context
from hive.wire.bounds import MAX_ID, clamp
from hive.wire.daemon import Done, Notice
from hive.wire.events import Event
from hive.wire.names import OPERATOR
from hive.wire.schedules import (
    EditSchedule,
    RequestSchedule,
    ResolveSchedule,
    Schedule,
    Scheduled,
    ScheduleState,
)

MOST_OPEN = 20
"""Of one agent."""

MOST_TO = 20
MOST_TEXT = 4096
"""Bytes: a message carries it whole."""

MOST_LISTED = 100
SHOWN = 1000
"""Characters of a text in a list; the operator's inbox has it whole."""

MOST_REASON = 300
CHANGE_DEADLINE_S = 10.0
"""A change is done or not when its asker leaves, and a stop waits so long for it."""

STORE_RETRY_S = 5.0


@frozen
class _Step:
    """What the operator does to a schedule: in which states, what it becomes, how that is told."""

    states: tuple[ScheduleState, ...]
    after: ScheduleState | None
    done: str


_STEPS = {
    "approve": _Step((ScheduleState.REQUESTED,), ScheduleState.ACTIVE, "approved"),
    "deny": _Step((ScheduleState.REQUESTED,), ScheduleState.DENIED, "denied"),
    "cancel": _Step(
        (ScheduleState.REQUESTED, ScheduleState.ACTIVE), ScheduleState.CANCELLED, "cancelled"
    ),
    "fire": _Step((ScheduleState.ACTIVE,), None, "run once"),
}


class ScheduleService:
    """All schedules of the hive; times in epoch seconds.

    Every change is one transaction with the messages that it causes. Methods that write raise
    StoreError with nothing changed.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        directory: Directory,
        *,
        publish: Callable[[str | None, Event], object],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._broker = broker
        self._directory = directory
        self._publish = publish
        self._now = now
        self._alarm = Alarm(now)

    # --- asked by agents -----------------------------------------------------------------------

    async def request(self, agent: str, wish: RequestSchedule) -> Scheduled:
        """Ask the operator for a schedule.

        The same key again gives what was requested first. Raises BadSchedule for a rule or
        recipients that cannot be, BadReminder for such a text, TooManySchedules when too many are
        open, and what Broker.check does.
        """
        now = self._now()
        rule = RecurrenceRule(wish.cron, wish.every_s, wish.zone)
        policy.check(rule, now)
        to = self._recipients(wish.to or (agent,))
        for name in to:
            self._broker.check(Draft(agent, name, wish.text))
        new = Schedule(0, agent, to, _text(wish.text), now, wish.cron, wish.every_s, wish.zone)
        made: list[Schedule] = []

        def prepare(connection: apsw.Connection) -> list[Draft]:
            known = rows.of_key(connection, agent, wish.key) if wish.key is not None else None
            if known is not None:
                made[:] = [known]
                return []
            if rows.count_open(connection, agent) >= MOST_OPEN:
                raise TooManySchedules(
                    f"{MOST_OPEN} schedules of yours are requested or active: see list_reminders, "
                    "and cancel_reminder what you no longer need"
                )
            made[:] = [evolve(new, id=rows.insert(connection, new, wish.key))]
            return [Draft(HIVE, OPERATOR, _request(made[0], now))]

        await self._broker.send_in_transaction(prepare)
        return Scheduled(made[0].id, made[0].state, policy.preview(rule, now))

    async def cancel(self, agent: str, id_: int) -> Done:
        """Cancel a schedule of the agent; again it changes nothing.

        Raises NoSuchSchedule if it has none that is requested or active.
        """
        found = await self._find(id_)
        if found is not None and (found.agent, found.state) == (agent, ScheduleState.CANCELLED):
            return Done()
        if found is None or found.agent != agent or found.state not in _STEPS["cancel"].states:
            raise NoSuchSchedule(f"you have no schedule {id_} that runs: see list_reminders")
        await self._change(found, evolve(found, state=ScheduleState.CANCELLED, next_at=None), [])
        return Done()

    async def listed(
        self, agent: str | None, limit: int = MOST_LISTED, *, ended: bool = False
    ) -> tuple[Schedule, ...]:
        """The newest schedules of an agent (None: of all), oldest first, texts cut short.

        Only those that are requested or active, with `ended` all.
        """
        most = clamp(limit, 1, MOST_LISTED)
        found = await self._store.read(lambda c: rows.listed(c, agent, most, ended=ended))
        return tuple(evolve(one, text=one.text[:SHOWN]) for one in found)

    # --- asked by the operator -----------------------------------------------------------------

    async def resolve(self, wish: ResolveSchedule) -> Done:
        """Approve, deny or cancel a schedule, of which its agent is told, or run it now (`fire`).

        Raises BadSchedule for another action, NoSuchSchedule if there is none in a state in which
        that can be done.
        """
        if (step := _STEPS.get(wish.action)) is None:
            raise BadSchedule(f"action must be one of {sorted(_STEPS)}")
        reason = (wish.reason or "")[:MOST_REASON]
        found = await self._find(wish.id)
        if found is None or found.state not in step.states:
            states = " or ".join(step.states)
            raise NoSuchSchedule(f"there is no {states} schedule {wish.id}: see `hive schedules`")
        now = self._now()
        if step.after is None:
            await self._fire(found, found.next_at, 0, now, by_hand=True)
            return Done()
        next_at = policy.first(_rule(found), now) if wish.action == "approve" else None
        after = evolve(found, state=step.after, next_at=next_at)
        notice = f"Your schedule {found.id} ({_rule(found)}) was {step.done} by the operator."
        notice += f" Its next run is at {iso(next_at)}." if next_at is not None else ""
        notice += f" Reason: {reason}" if reason else ""
        await self._change(found, after, [Draft(HIVE, found.agent, notice)])
        return Done()

    async def edit(self, wish: EditSchedule) -> Done:
        """Change a requested or active schedule; its agent is told.

        Raises NoSuchSchedule if there is none, BadSchedule or BadReminder for what cannot be.
        """
        found = await self._find(wish.id)
        if found is None or found.state not in _STEPS["cancel"].states:
            raise NoSuchSchedule(f"there is no schedule {wish.id} to edit: see `hive schedules`")
        now, rule = self._now(), _edited(_rule(found), wish)
        policy.check(rule, now)
        after = evolve(
            found,
            cron=rule.cron,
            every_s=rule.every_s,
            zone=rule.zone,
            text=found.text if wish.text is None else _text(wish.text),
            to=found.to if wish.to is None else self._recipients(wish.to),
        )
        if found.state is ScheduleState.ACTIVE and rule != _rule(found):
            after = evolve(after, next_at=policy.first(rule, now))
        notice = f"Your schedule {found.id} was changed by the operator: now {rule}, to "
        notice += f"{', '.join(after.to)}:\n{after.text}"
        await self._change(found, after, [Draft(HIVE, found.agent, notice)])
        return Done()

    # --- running -------------------------------------------------------------------------------

    async def run(self, ctx: Context) -> None:
        """The supervised child: sleeps until the next run of any schedule."""
        ctx.ready(self)
        while True:
            ctx.tick()
            self._alarm.reset()
            try:
                known = [await self._replanned(one) for one in await self._store.read(rows.active)]
                due = [one for one in known if one.next_at is not None and self._due(one)]
                for one in due:
                    await self._run(one)
                    ctx.tick()
            except StoreError as error:
                ctx.note(f"waits for the store: {error}"[:200])
                await trio.sleep(STORE_RETRY_S)
                continue
            ctx.note(None)
            if not due:
                times = [one.next_at for one in known if one.next_at is not None]
                await self._alarm.wait(min(times, default=None), ctx.tick)

    async def _replanned(self, schedule: Schedule) -> Schedule:
        """The schedule; its next run comes earlier if the wall clock was set back."""
        if schedule.next_at is None:
            return schedule
        at = policy.planned(_rule(schedule), schedule.next_at, schedule.last_at, self._now())
        if at == schedule.next_at:
            return schedule
        after = evolve(schedule, next_at=at)
        await self._change(schedule, after, (), must=False)
        return after

    def _due(self, schedule: Schedule) -> bool:
        return schedule.next_at is not None and schedule.next_at <= self._now()

    async def _run(self, schedule: Schedule) -> None:
        """Do the run that is due. A cancellation takes effect before or after it."""
        now = self._now()
        if schedule.next_at is None:
            return
        run = policy.due(_rule(schedule), schedule.next_at, now)
        if run is not None:
            await self._fire(schedule, run.following, run.skipped, now)

    async def _fire(
        self,
        schedule: Schedule,
        following: float | None,
        skipped: int,
        now: float,
        *,
        by_hand: bool = False,
    ) -> None:
        """One run: its messages, and the plan for the next, in one transaction.

        What cannot be sent does not stop the schedule: the operator sees why.
        """
        body = _message(schedule, now if by_hand else schedule.next_at or now, skipped)
        key = None if by_hand else f"schedule-{schedule.id}-{schedule.next_at}"
        drafts, error = [], None
        for to in schedule.to:
            draft = Draft(schedule.agent, to, body, key=key and f"{key}-{to}")
            try:
                self._broker.check(draft)
            except BrokerError as refusal:
                error = str(refusal)[:MOST_REASON]
            else:
                drafts.append(draft)
        after = evolve(
            schedule,
            next_at=following,
            last_at=now,
            fired=schedule.fired + 1,
            skipped=schedule.skipped + skipped,
            error=error,
        )
        await self._change(schedule, after, drafts, must=by_hand)
        if error is not None:
            said = f"schedule {schedule.id} of {schedule.agent}: {error}"
            self._publish(schedule.agent, Notice(f"{said}; see `hive schedules edit`"))

    async def _find(self, id_: int) -> Schedule | None:
        return await self._store.read(lambda c: rows.by_id(c, clamp(id_, 0, MAX_ID)))

    async def _change(
        self, old: Schedule, new: Schedule, drafts: Sequence[Draft], *, must: bool = True
    ) -> None:
        """Write the schedule and send its messages together, unless it has changed meanwhile."""

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            if rows.update(connection, old, new):
                return drafts
            if must:
                raise NoSuchSchedule(f"schedule {old.id} changed meanwhile: look at it again")
            return ()

        try:
            # Shielded: nobody would ring for a change whose asker left during the commit.
            with trio.move_on_after(CHANGE_DEADLINE_S, shield=True) as scope:
                await self._broker.send_in_transaction(prepare)
            if scope.cancelled_caught:
                raise StoreError(
                    f"the store did not answer within {CHANGE_DEADLINE_S:g} s: it may or may not "
                    "have been done; look at the schedule before you try again"
                )
        finally:
            self._alarm.ring()

    def _recipients(self, names: tuple[str, ...]) -> tuple[str, ...]:
        to = tuple(dict.fromkeys(names))
        known = {OPERATOR, *self._directory.names()}
        if unknown := [name for name in to if name not in known]:
            raise BadSchedule(
                f"nobody is called {unknown[0][:40]!r}: you can send to {', '.join(sorted(known))}"
            )
        if not 0 < len(to) <= MOST_TO:
            raise BadSchedule(f"a schedule has from 1 to {MOST_TO} recipients")
        return to


def _rule(schedule: Schedule) -> RecurrenceRule:
    return RecurrenceRule(schedule.cron, schedule.every_s, schedule.zone)


def _edited(rule: RecurrenceRule, wish: EditSchedule) -> RecurrenceRule:
    """Cron and interval replace each other; both at once are refused by the check."""
    if wish.cron is not None or wish.every_s is not None:
        rule = evolve(rule, cron=wish.cron, every_s=wish.every_s)
    return rule if wish.zone is None else evolve(rule, zone=wish.zone)


def _text(text: str) -> str:
    size = len(check_text(text).encode())
    if size > MOST_TEXT:
        raise BadSchedule(
            f"the message has {size} bytes, at most {MOST_TEXT} are allowed: write it to a file "
            "and let the message name its path"
        )
    return text


def _request(schedule: Schedule, now: float) -> str:
    first = ", ".join(iso(at) for at in policy.preview(_rule(schedule), now))
    return (
        f"{schedule.agent} asks for schedule {schedule.id}: {_rule(schedule)}, to "
        f"{', '.join(schedule.to)}; first runs {first}.\n"
        f"`hive schedules approve {schedule.id}` or `hive schedules deny {schedule.id}`\n"
        f"Its message:\n{schedule.text}"
    )


def _message(schedule: Schedule, planned: float, skipped: int) -> str:
    head = f"Schedule {schedule.id} of {schedule.agent} ({_rule(schedule)}), run of {iso(planned)}"
    if skipped:
        least = "at least " if skipped >= policy.MOST_COUNTED and schedule.cron else ""
        head += f"; {least}{skipped} later runs were missed while the hive was away"
    return f"{head}:\n{schedule.text}"
