"""The end of an agent, cut off at every step: it is there as before, or gone and then put away."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from hive.agents import fleet as fleet_module
from hive.approvals import Approval, ApprovalKind, rows
from hive.broker import Draft, UnknownRecipient
from hive.credentials import ApiAccess
from hive.daemon.config import Config
from hive.daemon.hive import Hive, Options, build
from hive.directory import AgentExists, AgentRecord, NoSuchAgent
from hive.link import LinkError
from hive.paths import Paths
from hive.store import StoreFull
from hive.wire.budgets import Period, SetBudget, Unit
from hive.wire.daemon import Notice
from hive.wire.names import OPERATOR
from hive.wire.questions import Ask
from hive.wire.reminders import Remind

NAME = "ann"


class Killed(BaseException):
    """The process ends here."""


@asynccontextmanager
async def started(root: Path) -> AsyncIterator[Hive]:
    """A hive of which nothing runs but the store; with all that it kept."""
    paths = Paths(root)
    paths.prepare()
    hive = build(Options(paths, Config(), ApiAccess(()), Path("/claude"), {}))
    with trio.fail_after(20):
        async with hive.store.opened():
            await hive.events.load()
            await hive.broker.load()
            await hive.budgets.load()
            await hive.wake_ups.load()
            await hive.directory.load()
            yield hive


async def furnish(hive: Hive) -> None:
    """The agent with a home and one of everything that must go with it."""
    await hive.directory.create(AgentRecord(NAME, "none"))
    await hive.directory.create(AgentRecord("bob", "none"))
    home = hive.options.paths.agent(NAME).state
    home.mkdir(parents=True)
    (home / "notes").write_text("kept")
    hive.options.paths.applied_config(NAME).mkdir(parents=True)
    asked = Approval(1, ApprovalKind.PURGE, NAME, "bob", None, None, "", (), 0.0, 1e12)
    await hive.store.write(lambda db: rows.insert(db, asked, None))
    await hive.broker.send(Draft(OPERATOR, NAME, "undone"))
    await hive.reminders.remind(NAME, Remind("look", 1000.0))
    await hive.questions.ask(NAME, Ask("May I?", to="bob"))
    await hive.budgets.set(SetBudget(NAME, Period.DAY, Unit.TOKENS, 5.0))


async def left_over(hive: Hive) -> dict[str, int]:
    return {
        "records": len({NAME} & hive.directory.names()),
        "homes": int(hive.options.paths.agent(NAME).base.exists()),
        "kept": len(list((hive.options.paths.root / "destroyed").glob(f"{NAME}-*/state/notes"))),
        "bounces": len([m for m in await hive.broker.inbox(OPERATOR) if m.sender == "hive"]),
        "reminders": len(await hive.reminders.listed(NAME)),
        "questions": len(await hive.questions.listed()),
        "approvals": len(await hive.approvals.listed()),
        "applied": int(hive.options.paths.applied_config(NAME).exists()),
        "budgets": sum(budget.scope == NAME for budget in hive.budgets.statuses()),
    }


WHOLE = {
    "records": 1, "homes": 1, "kept": 0, "bounces": 0, "reminders": 1, "questions": 1, "budgets": 1,
    "approvals": 1, "applied": 1,
}  # fmt: skip
GONE = {
    "records": 0, "homes": 0, "kept": 1, "bounces": 1, "reminders": 0, "questions": 0, "budgets": 0,
    "approvals": 0, "applied": 0,
}  # fmt: skip
STEPS = {
    "leave": lambda hive: (hive.directory, "leave"),
    "tell": lambda hive: (hive.fleet, "push_settings"),
    "reminders": lambda hive: (hive.reminders, "cancel"),
    "questions": lambda hive: (hive.questions, "forget"),
    "approvals": lambda hive: (hive.approvals, "forget"),
    "wake-ups": lambda hive: (hive.wake_ups, "forget"),
    "budgets": lambda hive: (hive.budgets, "set"),
    "dead-letters": lambda hive: (hive.broker, "dead_letter_all"),
    "folder": lambda _: (fleet_module, "_put_away"),
    "delete": lambda hive: (hive.directory, "delete"),
}


def cut_off(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: BaseException, *, after: bool
) -> None:
    """Let a step end with an error before or after it is done."""
    step: Callable[..., Any] = getattr(owner, name)

    def blocking(*args: Any, **more: Any) -> None:
        if after:
            step(*args, **more)
        raise error

    async def awaited(*args: Any, **more: Any) -> None:
        if after:
            await step(*args, **more)
        raise error

    if isinstance(owner, type(fleet_module)):
        monkeypatch.setattr(owner, name, blocking)
    else:
        monkeypatch.setattr(type(owner), name, lambda _, *args, **more: awaited(*args, **more))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", list(STEPS))
async def test_a_kill_at_any_step_leaves_it_whole_or_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    with monkeypatch.context() as patch:
        async with started(tmp_path) as hive:
            await furnish(hive)
            cut_off(patch, *STEPS[step](hive), Killed(), after=after)
            with pytest.raises(Killed):
                await hive.destroyer.destroy(NAME)
    async with started(tmp_path) as hive:
        whole = step == "leave" and not after
        if whole:
            assert await left_over(hive) == WHOLE
        await hive.destroyer.complete_all()
        assert await left_over(hive) == (WHOLE if whole else GONE)
        assert hive.fleet.leaving == ()
        if not whole:  # a namesake begins with nothing of it
            await hive.directory.create(AgentRecord(NAME, "none"))
            assert not hive.options.paths.agent(NAME).base.exists()


@pytest.mark.parametrize("step", ["dead-letters", "folder", "delete"])
@pytest.mark.parametrize("error", [StoreFull("no space left"), OSError("read-only")])
async def test_a_failure_is_told_and_the_same_command_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    async with started(tmp_path) as hive:
        await furnish(hive)
        with monkeypatch.context() as patch:
            cut_off(patch, *STEPS[step](hive), error, after=False)
            with pytest.raises(LinkError, match=f"hive destroy {NAME}.* again"):
                await hive.destroyer.destroy(NAME)
            await hive.destroyer.complete_all()
            (last,) = await hive.events.recent(limit=1)
            assert isinstance(last.event, Notice) and str(error) in last.event.text
        with pytest.raises(NoSuchAgent):
            hive.directory.record(NAME)
        with pytest.raises(UnknownRecipient):
            await hive.broker.send(Draft(OPERATOR, NAME, "hello?"))
        with pytest.raises(AgentExists, match="still being destroyed"):
            await hive.directory.create(AgentRecord(NAME, "none"))
        await hive.destroyer.destroy(NAME)
        assert await left_over(hive) == GONE


async def test_a_failure_before_the_first_commit_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tmp_path) as hive:
        await furnish(hive)
        with monkeypatch.context() as patch:
            cut_off(patch, *STEPS["leave"](hive), StoreFull("no space left"), after=False)
            with pytest.raises(StoreFull):
                await hive.destroyer.destroy(NAME)
        assert await left_over(hive) == WHOLE


async def test_two_namesakes_that_end_in_one_second_are_both_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.operator.destroy.time.strftime", lambda *_: "20310517T000000Z")
    async with started(tmp_path) as hive:
        for number in range(3):
            await hive.directory.create(AgentRecord(NAME, "none"))
            hive.options.paths.agent(NAME).base.mkdir(parents=True)
            (hive.options.paths.agent(NAME).base / "number").write_text(str(number))
            await hive.destroyer.destroy(NAME)
        kept = sorted((hive.options.paths.root / "destroyed").glob("*/number"))
        assert [file.read_text() for file in kept] == ["0", "1", "2"]
