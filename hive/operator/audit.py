"""The audit: every act of an operator, with who did it, when, and what came of it."""

import logging
import pwd
import time
from collections.abc import Awaitable, Callable

import apsw
import trio
from attrs import evolve

from hive.link import Credentials
from hive.operator.faults import NotDone, explained
from hive.operator.handlers import Act, Table, newest_that_fit, read, rows
from hive.redact import Secrets
from hive.store import Store, StoreError
from hive.wire.audit import ActOutcome, Audit, AuditEntry, GetAudit
from hive.wire.bodies import Body
from hive.wire.messages import Count, Sent

MOST_ACTION, MOST_TARGET, MOST_DETAIL = 40, 200, 500
OUTCOME_S = 5.0
"""How long an end waits for the store; without it the entry says that its outcome is unknown."""

_log = logging.getLogger(__name__)
_without_secrets = Secrets().redact
"""A key in the wrong place, a name or a text, is not kept."""


def who(peer: Credentials, role: str) -> str:
    """The user and process behind a connection, as the kernel tells, and by what they act."""
    try:
        name = pwd.getpwuid(peer.uid).pw_name
    except KeyError:
        name = "unknown"
    by = "the page" if role == "web" else "command line"
    return f"{name} (uid {peer.uid}) by {by}, pid {peer.pid}"


class AuditLog:
    """Appends to the table and reads its end.

    An entry is committed before its act begins, its outcome when the act has ended. Where a daemon
    dies in between, the outcome stays unknown.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, who: str, act: Act, do: Callable[[], Awaitable[Body]]) -> Body:
        """Do it, and keep that it was wanted, and what came of it.

        Raises what `do` raises, and StoreError, with nothing done, if it cannot be recorded.
        """
        if act.is_one_write:
            return await self._record_beside(who, act, do)
        entry = await self._begin(who, act)
        outcome, why = ActOutcome.UNKNOWN, "who asked was gone, or the hive stopped, before its end"
        try:
            answer = await do()
            outcome, why = ActOutcome.DONE, _result(answer)
            return answer
        except Exception as error:
            outcome, why = _failure(error)
            raise
        finally:
            with trio.move_on_after(OUTCOME_S, shield=True):
                await self._end(entry, outcome, why)

    async def _record_beside(self, who: str, act: Act, do: Callable[[], Awaitable[Body]]) -> Body:
        """The same, of an act that is one write of the store itself: its entry joins that commit.

        So a message waits for no commit but its own. What the store does not take is then not done
        either, but for a fault between the two; that is in the log.
        """
        entries: list[int] = []
        outcome, why = ActOutcome.UNKNOWN, "the hive stopped before its end"

        async def begin() -> None:
            try:
                entries.append(await self._begin(who, act))
            except StoreError as error:
                _log.warning(
                    "the audit has no entry of %s to %s: %s", act.action, act.target, error
                )

        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(begin)
            try:
                answer = await do()
                outcome, why = ActOutcome.DONE, _result(answer)
            except Exception as error:
                failure, (outcome, why) = error, _failure(error)
        for entry in entries:
            with trio.move_on_after(OUTCOME_S, shield=True):
                await self._end(entry, outcome, why)
        if failure is not None:
            raise failure
        return answer

    async def newest(self, limit: int) -> tuple[AuditEntry, ...]:
        """The newest entries, oldest first."""

        def read(db: apsw.Connection) -> list[AuditEntry]:
            rows = db.execute(
                "SELECT at, who, action, target, detail, outcome, why FROM audit"
                " ORDER BY id DESC LIMIT ?",
                (limit,),
            )
            return [_entry(*row) for row in rows]

        return tuple(reversed(await self._store.read(read)))

    async def _begin(self, who: str, act: Act) -> int:
        act = evolve(
            act,
            action=_kept(act.action, MOST_ACTION),
            target=_kept(act.target, MOST_TARGET),
            detail=_kept(act.detail, MOST_DETAIL),
        )
        row = (time.time(), who, act.action, act.target, act.detail)

        def write(db: apsw.Connection) -> int:
            db.execute(
                "INSERT INTO audit (at, who, action, target, detail) VALUES (?, ?, ?, ?, ?)", row
            ).fetchall()
            return db.last_insert_rowid()

        return await self._store.write(write)

    async def _end(self, entry: int, outcome: ActOutcome, why: str) -> None:
        row = (outcome.value, _kept(why, MOST_DETAIL), entry)

        def write(db: apsw.Connection) -> None:
            db.execute("UPDATE audit SET outcome = ?, why = ? WHERE id = ?", row).fetchall()

        try:
            await self._store.write(write)
        except StoreError as error:  # what was done is done, and its answer must not say otherwise
            _log.warning("the audit has no outcome of entry %d (%s): %s", entry, outcome, error)


def table(audit: AuditLog) -> Table:
    """What the operator may ask about the audit."""

    async def newest(asked: GetAudit) -> Audit:
        return Audit(newest_that_fit(await audit.newest(rows(asked.limit))))

    return {GetAudit: read(newest)}


def _kept(text: str, most: int) -> str:
    return _without_secrets(text)[:most]


def _result(answer: Body) -> str:
    match answer:
        case Sent(id_):
            return f"message {id_}"
        case Count(count):
            return f"{count} changed"
    return ""


def _failure(error: Exception) -> tuple[ActOutcome, str]:
    known = explained(error)
    if known is None:
        return ActOutcome.FAILED, f"a fault of the hive ({type(error).__name__}): see its log"
    outcome = ActOutcome.FAILED if isinstance(known, NotDone) else ActOutcome.REFUSED
    return outcome, known.message


def _entry(
    at: object,
    who: object,
    action: object,
    target: object,
    detail: object,
    outcome: object,
    why: object,
) -> AuditEntry:
    return AuditEntry(
        float(str(at)),
        str(who),
        str(action),
        str(target or ""),
        str(detail or ""),
        ActOutcome(str(outcome)),
        str(why or ""),
    )
