"""The owner of approvals: proposed, decided, expired; each end with its message in one transaction.

The rows are the truth. What git has beside them, the pinned commit and a tag for each decision, is
made before the row (so that no row is about a commit that can still change) or right behind it, and
is put in order at the next start where a daemon was killed in between.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal

import apsw
import trio
from attrs import evolve

from hive.agent_config import AgentConfigError, HostCaps, PermissionsSection
from hive.alarm import Alarm
from hive.approvals import policy, rows
from hive.approvals.configuration import (
    changed_fields,
    first_files,
    kind_of,
    permissions_of,
    why_not_proposed,
)
from hive.approvals.policy import ApprovalOver, NoSuchApproval, Proposal, ProposalRefused, Target
from hive.broker import HIVE, Broker, BrokerError, Draft
from hive.config_repos import ConfigRepoError, ConfigRepositories, NoRepository, NotPinned, Pinned
from hive.directory import AgentRecord, Directory
from hive.git import GitError, GitUnavailable, check_git
from hive.store import Store, StoreError
from hive.supervisors import Context
from hive.wire.approvals import (
    Against,
    Approval,
    ApprovalDecided,
    ApprovalDifference,
    ApprovalMoved,
    ApprovalOpened,
    ApprovalState,
    Proposed,
    RequestApplyCommit,
)
from hive.wire.bounds import ANSWER_CAP, EVENT_TEXT, MAX_ID, MOST_ROWS, clamp
from hive.wire.codec import encode
from hive.wire.daemon import Notice
from hive.wire.events import Event
from hive.wire.names import OPERATOR

BATCH = 100
"""Approvals that one transaction may let expire."""

RETRY_S = 5.0
CREATE_S = 10.0
"""How long an agent's start may wait for its configuration repositories."""

UNPIN_S = 10.0
CHANGE_DEADLINE_S = 30.0

NOT_DEPLOYED_YET = (
    "it waits as approved, because this version of the hive does not deploy commits yet"
)
"""What becomes of an approval for now, for whoever is told of it."""

_GIT_FAILURES = (ConfigRepoError, GitError)


class ApprovalService:
    """All approvals of the hive, and the configuration repositories of its agents.

    `publish(agent, event)` never blocks. `host` is what caps of agents may not be above, None if
    that is not known. `wall` gives epoch seconds. Every method that reads or writes raises
    StoreError; a write has then changed nothing, unless the error says otherwise.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        directory: Directory,
        repositories: ConfigRepositories,
        *,
        publish: Callable[[str | None, Event], object],
        host: HostCaps | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._broker = broker
        self._directory = directory
        self._repositories = repositories
        self._publish = publish
        self._host = host
        self._wall = wall
        self._alarm = Alarm(wall)
        self._locks: defaultdict[str, trio.Lock] = defaultdict(trio.Lock)
        """Of each agent: its pins and its rows are changed by one at a time."""
        self._waiting = 0
        self._no_git: str | None = None

    def notices(self) -> tuple[str, ...]:
        """What the operator must see first, a line each: approvals that wait, git that is missing.

        As of the last look of `run`, which looks after each change.
        """
        lines = []
        if self._waiting:
            wait = "1 approval waits" if self._waiting == 1 else f"{self._waiting} approvals wait"
            lines.append(f"{wait} for you: see `hive approvals`")
        if self._no_git is not None:
            lines.append(self._no_git)
        return tuple(lines)

    # --- the agents' repositories --------------------------------------------------------------

    async def prepare(self, record: AgentRecord) -> None:
        """Make what is missing of an agent's configuration repositories.

        What keeps it from that is published as a notice: an agent works without them.
        """
        try:
            with trio.fail_after(CREATE_S):
                async with self._locks[record.name]:
                    if record.name in self._directory.known:
                        await self._repositories.create(record.name, first_files(record))
        except (*_GIT_FAILURES, OSError, ValueError, trio.TooSlowError) as error:
            why = str(error) or f"it took more than {CREATE_S:g} s"
            text = f"{record.name} has no configuration repository: {why}. It works without one"
            self._publish(record.name, Notice(f"{text}; the next start of the hive tries again"))

    # --- asked by agents -----------------------------------------------------------------------

    async def request(self, by: str, wish: RequestApplyCommit) -> Proposed:
        """Pin a commit, check it, and open an approval for it; of a refused one nothing stays.

        The same key again gives the approval of the first time; so does the same commit, while that
        is open or approved. Raises ProposalRefused, ConfigRepoError, GitError.
        """
        agent = wish.agent
        self._check_exists(agent)
        if self._no_git is not None:
            raise GitUnavailable(self._no_git)
        async with self._locks[agent]:
            self._check_exists(agent)
            found = await self._store.read(lambda c: rows.by_key(c, by, wish.key))
            if found is not None:
                return Proposed(found)
            allowed = (await self._permissions(by)).config
            if (why := why_not_proposed(by, agent, allowed)) is not None:
                raise ProposalRefused(why)
            number = await self._store.write(rows.reserve)
            pinned = await self._repositories.pin(agent, wish.commit, number)
            try:
                proposed = await self._submit(by, wish, pinned)
            except (BrokerError, *_GIT_FAILURES):
                with trio.move_on_after(UNPIN_S, shield=True):  # else the next start does it
                    await self._repositories.unpin(agent, number)
                raise
            if proposed.approval.id != number:
                await self._repositories.unpin(agent, number)
            return proposed

    async def _permissions(self, by: str) -> PermissionsSection:
        try:
            commit = await self._repositories.deployed(by)
        except NoRepository:
            commit = None
        files = None if commit is None else await self._repositories.files(by, commit)
        return permissions_of(by, files)

    async def _submit(self, by: str, wish: RequestApplyCommit, pinned: Pinned) -> Proposed:
        agent, commit = pinned.agent, pinned.commit
        try:
            target = await self._target(agent, pinned.base, commit)
        except AgentConfigError as error:
            raise ProposalRefused(
                f"commit {commit[:12]} is refused by the check of its files:\n{error}\nCommit a "
                "change that mends it, and propose that"
            ) from None
        proposal = Proposal(kind_of(target.fields), agent, by, commit, wish.description)
        done: policy.Submitted | None = None

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            nonlocal done
            now = self._wall()
            if (found := rows.by_key(connection, by, wish.key)) is not None:
                done = policy.Submitted(found)
                return ()
            known = rows.concerning(connection, agent, commit)
            done = policy.submit(proposal, target, known, new_id=pinned.proposal, now=now)
            for one in done.ended:
                rows.update(connection, one)
            if done.approval.id == pinned.proposal:
                rows.insert(connection, done.approval, wish.key)
            return self._told(done.ended)

        await self._change(prepare)
        assert done is not None
        self._publish_moved(done.ended)
        if done.approval.id == pinned.proposal:
            self._publish_opened(done.approval)
        return Proposed(done.approval, tuple(one.id for one in done.ended))

    async def _target(self, agent: str, base: str | None, commit: str) -> Target:
        """The agent, and what the commit changes in it; raises AgentConfigError."""
        repositories = self._repositories
        old = await repositories.files(agent, base or await repositories.first(agent))
        new = await repositories.files(agent, commit)
        return Target(True, base, changed_fields(agent, old, new, self._host))

    def _check_exists(self, agent: str) -> None:
        known = self._directory.names()
        if agent not in known:
            raise ProposalRefused(
                f"there is no agent {agent[:40]!r}; there are: {', '.join(sorted(known))}"
            )

    # --- asked by the operator -----------------------------------------------------------------

    async def get(self, id_: int) -> Approval:
        """Return one approval; raises NoSuchApproval if there is none."""
        return _found(await self._store.read(lambda c: rows.by_id(c, clamp(id_, 0, MAX_ID))), id_)

    async def listed(self, limit: int = 100, *, ended: bool = False) -> tuple[Approval, ...]:
        """Return the newest that have not ended, with `ended` of every state; oldest first."""
        most = clamp(limit, 0, MOST_ROWS)
        return await self._store.read(lambda c: rows.newest(c, most, ended=ended))

    async def difference(self, id_: int, against: Against = Against.BASE) -> ApprovalDifference:
        """Return an approval with what its commit changes; raises NoSuchApproval."""
        found = await self.get(id_)
        none = ApprovalDifference(found, against)
        if found.commit is None:
            return evolve(none, why_none=f"a {found.kind} has no commit")
        try:
            old = await self._compared_with(found, against)
            if old is None:
                what = "approved" if against is Against.APPROVED else "proposed"
                return evolve(none, why_none=f"no commit of {found.agent} was {what} before it")
            diff = await self._repositories.diff(found.agent, old, found.commit)
        except _GIT_FAILURES as error:
            return evolve(none, why_none=str(error))
        return evolve(none, old=old, diff=_fitting(diff))

    async def _compared_with(self, approval: Approval, against: Against) -> str | None:
        if against is Against.BASE:
            return approval.base or await self._repositories.first(approval.agent)
        approved = against is Against.APPROVED
        found = await self._store.read(lambda c: rows.before(c, approval, approved=approved))
        return None if found is None else found.commit

    async def decide(self, id_: int, *, approve: bool, note: str = "") -> ApprovalDecided:
        """Approve or deny for the operator; who proposed it gets a message.

        If another commit was deployed meanwhile, it is not approved: another approval is open in
        its place, with the new difference. Raises NoSuchApproval, ApprovalOver, ConfigRepoError,
        GitError.
        """
        seen = await self.get(id_)
        async with self._locks[seen.agent]:
            target = await self._target_now(seen) if approve else None
            done: policy.Decided | None = None

            def prepare(connection: apsw.Connection) -> Sequence[Draft]:
                nonlocal done
                now, by = self._wall(), OPERATOR
                one = _found(rows.by_id(connection, seen.id), id_)
                if target is None:
                    done = policy.Decided(policy.deny(one, by=by, now=now, note=note))
                else:
                    new_id = rows.next_number(connection)
                    done = policy.approve(one, target, by=by, new_id=new_id, now=now, note=note)
                rows.update(connection, done.approval)
                if done.instead is not None:
                    rows.insert(connection, done.instead, None)
                return self._told((done.approval,))

            await self._change(prepare)
            assert done is not None
            self._publish_moved((done.approval,))
            if done.instead is not None:
                self._publish_opened(done.instead)
            try:
                for one in (done.approval, *([done.instead] if done.instead else ())):
                    await self._tag(one)
            except _GIT_FAILURES as error:
                self._publish(seen.agent, Notice(_untagged(seen.agent, error)))
            return ApprovalDecided(done.approval, done.instead)

    async def _target_now(self, approval: Approval) -> Target:
        agent, commit = approval.agent, approval.commit
        if agent not in self._directory.names():
            return Target(False)
        if commit is None:
            return Target(True)
        base = await self._repositories.deployed(agent)
        if base in (approval.base, commit):
            return Target(True, base, approval.fields)
        try:
            return await self._target(agent, base, commit)
        except AgentConfigError as error:
            raise ApprovalOver(
                f"approval {approval.id} cannot be approved, its files do not pass the check any "
                f"more:\n{error}\nIt can be denied (`hive deny {approval.id}`)"
            ) from None

    async def forget(self, agent: str) -> None:
        """End all that goes on about an agent that is no more."""
        async with self._locks[agent]:
            ended: tuple[Approval, ...] = ()

            def prepare(connection: apsw.Connection) -> Sequence[Draft]:
                nonlocal ended
                going_on = rows.of_agent(connection, agent, ended=False)
                ended = policy.abandoned(going_on, self._wall())
                for one in ended:
                    rows.update(connection, one)
                return self._told(ended)

            await self._change(prepare)
            self._publish_moved(ended)
        self._locks.pop(agent, None)

    # --- expiry, and what earlier daemons have left -----------------------------------------------

    async def run(self, ctx: Context) -> None:
        """The supervised child: lets approvals expire, and puts in order what git has of them.

        A cancellation never comes between an approval's end and its message. A store that cannot be
        read or written only delays: what is due stays due.
        """
        ctx.ready(self)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.put_in_order)
            await self._let_expire(ctx)

    async def _let_expire(self, ctx: Context) -> None:
        while True:
            ctx.tick()
            self._alarm.reset()
            try:
                self._waiting, due = await self._store.read(rows.waiting)
                ctx.note(None)
                await self._alarm.wait(due, ctx.tick)
                if due is not None and due <= self._wall() and not await self.expire():
                    await trio.sleep(RETRY_S)  # nothing was, after all: no busy loop
            except (StoreError, BrokerError) as error:
                ctx.note(f"cannot end approvals: {error}"[:200])
                await trio.sleep(RETRY_S)

    async def expire(self) -> int:
        """Let up to `BATCH` approvals expire whose time is over; returns how many that were."""
        ended: tuple[Approval, ...] = ()

        def prepare(connection: apsw.Connection) -> Sequence[Draft]:
            nonlocal ended
            now = self._wall()
            ended = policy.expired(rows.due(connection, now, BATCH), now)
            for one in ended:
                rows.update(connection, one)
            return self._told(ended)

        await self._change(prepare)
        self._publish_moved(ended)
        return len(ended)

    async def put_in_order(self) -> None:
        """Give each agent what it lacks of its repositories, and git the tags that are missing.

        What fails is published as a notice, and left for the next start.
        """
        try:
            await check_git()
        except GitUnavailable as error:
            self._no_git = f"configurations of agents cannot be changed: {error}"
            self._publish(None, Notice(f"{self._no_git}. Agents work on"))
            return
        for record in tuple(self._directory.known.values()):
            await self.prepare(record)
            try:
                await self._put_tags_in_order(record.name)
            except NoRepository:
                pass  # which `prepare` has told
            except (*_GIT_FAILURES, StoreError, OSError) as error:
                self._publish(record.name, Notice(_untagged(record.name, error)))

    async def _put_tags_in_order(self, agent: str) -> None:
        """Make the tags that the rows lack, remove the pins that have no row."""
        async with self._locks[agent]:
            if agent not in self._directory.known:
                return
            tags = await self._repositories.tags(agent)
            known = await self._store.read(lambda c: rows.of_agent(c, agent))
            there = {(tag.kind, tag.proposal) for tag in tags}
            for number in {n for kind, n in there if kind == "proposal"} - {o.id for o in known}:
                await self._repositories.unpin(agent, number)
            for one in known:
                decided = _TAG_OF.get(one.state)
                if ("proposal", one.id) in there and (
                    decided is None or (decided, one.id) in there
                ):
                    continue
                try:
                    await self._tag(one)
                except NotPinned:
                    pass  # of an agent of the same name that was destroyed

    async def _tag(self, approval: Approval) -> None:
        """Give git the tags of an approval's number that it should have; raises as `tag` does."""
        if approval.commit is None:
            return
        agent, commit, number = approval.agent, approval.commit, approval.id
        await self._repositories.pin_again(agent, commit, number)
        if (kind := _TAG_OF.get(approval.state)) is not None:
            await self._repositories.tag(agent, kind, number, commit, approval.note)

    # --- inside --------------------------------------------------------------------------------

    def _told(self, moved: Sequence[Approval]) -> list[Draft]:
        """The messages to those who proposed them; who is no more gets none."""
        names = self._directory.names()
        return [Draft(HIVE, one.by, _text(one)) for one in moved if one.by in names]

    def _publish_opened(self, one: Approval) -> None:
        description = one.description[:EVENT_TEXT]
        self._publish(one.agent, ApprovalOpened(one.id, one.kind, one.by, one.commit, description))

    def _publish_moved(self, moved: Sequence[Approval]) -> None:
        for one in moved:
            self._publish(one.agent, ApprovalMoved(one.id, one.state, one.note[:EVENT_TEXT]))

    async def _change(self, prepare: Callable[[apsw.Connection], Sequence[Draft]]) -> None:
        """Write rows and their messages together."""
        try:
            # Shielded: nobody would publish a change whose asker left during the commit.
            with trio.move_on_after(CHANGE_DEADLINE_S, shield=True) as scope:
                await self._broker.send_in_transaction(prepare)
            if scope.cancelled_caught:
                raise StoreError(
                    f"the store did not answer within {CHANGE_DEADLINE_S:g} s: it may or may not "
                    "have been done; look at the approvals before you try again"
                )
        finally:
            self._alarm.ring()


_TAG_OF: dict[ApprovalState, Literal["approved", "denied"]] = {
    ApprovalState.APPROVED: "approved",
    ApprovalState.BUILDING: "approved",
    ApprovalState.DEPLOYED: "approved",
    ApprovalState.FAILED: "approved",
    ApprovalState.REVERTED: "approved",
    ApprovalState.DENIED: "denied",
}
"""The tag of the operator's decision. Those of deployments are theirs to make."""


def _text(one: Approval) -> str:
    """What the proposer reads of an approval that was decided, or ended."""
    what = f"Approval {one.id} (commit {(one.commit or 'none')[:12]} of {one.agent})"
    note = f": {one.note}" if one.note else "."
    match one.state:
        case ApprovalState.APPROVED:
            return f"{what} was approved by the operator{note}\nFor now {NOT_DEPLOYED_YET}."
        case ApprovalState.DENIED:
            return f"{what} was denied by the operator{note}"
        case ApprovalState.EXPIRED:
            return (
                f"{what} has expired: nobody decided it in time. Propose the commit again if it is "
                "still wanted."
            )
    return f"{what} is {one.state}{note}"


def _untagged(agent: str, error: Exception) -> str:
    return (
        f"the repository applied/{agent} lacks tags of approvals: {error}. The next start of the "
        "hive makes them"
    )


def _found(approval: Approval | None, id_: int) -> Approval:
    if approval is None:
        raise NoSuchApproval(
            f"there is no approval {id_}: `hive approvals --all` lists all that there are"
        )
    return approval


def _fitting(diff: str) -> str:
    """The difference, cut to what fits into one answer: escapes need more room than bytes."""
    begin = diff
    while len(encode(begin)) > ANSWER_CAP // 2:
        begin = begin[: len(begin) // 2]
    if begin is diff:
        return diff
    return f"{begin.rpartition(chr(10))[0]}\n[cut here: the difference is too long to be shown]\n"
