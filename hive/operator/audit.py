"""The audit: every act of an operator, with who did it, when, and what came of it."""

import logging
import pwd
import time
from collections.abc import Awaitable, Callable

import apsw
import trio

from hive.link import Credentials
from hive.operator.errors import NotDone, explained
from hive.operator.handlers import Act, AuditWriter, Table, newest_that_fit, read, row_limit
from hive.redact import Secrets
from hive.store import Store, StoreError
from hive.wire.approvals import ApprovalDecided
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
        entry = await self._store.write(lambda db: _insert(db, who, act, ActOutcome.UNKNOWN))
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

    async def record_with(
        self, who: str, act: Act, do: Callable[[AuditWriter], Awaitable[Body]]
    ) -> Body:
        """The same, of an act that is one write: its entry and outcome join that commit.

        So it waits for no commit but its own, and one is never there without the other. An entry of
        a refused act is written alone; if the store does not take that, it is in the log.
        """

        def write_entry(db: apsw.Connection, answer: Body) -> None:
            _insert(db, who, act, ActOutcome.DONE, _result(answer))

        try:
            return await do(write_entry)
        except Exception as error:
            outcome, why = _failure(error)
            with trio.move_on_after(OUTCOME_S, shield=True):
                try:
                    await self._store.write(lambda db: _insert(db, who, act, outcome, why))
                except StoreError as fault:
                    _log.warning(
                        "the audit has no entry of %s to %s: %s", act.action, act.target, fault
                    )
            raise

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
        return Audit(newest_that_fit(await audit.newest(row_limit(asked.limit))))

    return {GetAudit: read(newest)}


def _insert(db: apsw.Connection, who: str, act: Act, outcome: ActOutcome, why: str = "") -> int:
    row = (
        time.time(),
        who,
        _kept(act.action, MOST_ACTION),
        _kept(act.target, MOST_TARGET),
        _kept(act.detail, MOST_DETAIL),
        outcome.value,
        _kept(why, MOST_DETAIL),
    )
    db.execute(
        "INSERT INTO audit (at, who, action, target, detail, outcome, why)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        row,
    ).fetchall()
    return db.last_insert_rowid()


def _kept(text: str, most: int) -> str:
    return _without_secrets(text)[:most]


def _result(answer: Body) -> str:
    match answer:
        case Sent(id_):
            return f"message {id_}"
        case Count(count):
            return f"{count} changed"
        case ApprovalDecided(approval):
            return f"it is {approval.state}"
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
