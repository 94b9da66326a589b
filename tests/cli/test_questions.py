"""`hive questions` and `hive answer`: the commands against the real socket."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define
from click.testing import CliRunner, Result
from support.directories import Named
from support.operator_socket import listen

from hive.broker import Broker
from hive.cli import main
from hive.operator import questions
from hive.operator.audit import AuditLog
from hive.paths import Paths
from hive.questions import QuestionService
from hive.store import MIGRATIONS, open_store
from hive.wire.questions import Ask

HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\u202emoc\x9b31m<b>"


@define
class QuestionCommands:
    """As much of a hive as these requests need, and its operator."""

    paths: Paths
    broker: Broker
    questions: QuestionService
    audit: AuditLog

    async def command(self, *arguments: str) -> Result:
        """`hive …` in a thread, so that the daemon's side can answer."""
        invoke = partial(CliRunner().invoke, main, [*arguments, "--root", str(self.paths.root)])
        with trio.fail_after(20):
            return await trio.to_thread.run_sync(invoke)

    async def listed(self, *arguments: str) -> list[dict[str, Any]]:
        result = await self.command("questions", "--json", *arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
async def hive(tmp_path: Path) -> AsyncIterator[QuestionCommands]:
    paths = Paths(tmp_path)
    paths.prepare()
    names = ["ann", "bob"]
    async with open_store(paths.database, MIGRATIONS) as store, trio.open_nursery() as nursery:
        broker = Broker(store, Named(lambda: names), publish=lambda *_: None)
        await broker.load()
        service = QuestionService(store, broker, Named(lambda: names))
        hive = QuestionCommands(paths, broker, service, AuditLog(store))
        table = questions.table(service, broker)
        await listen(nursery, paths, table, hive.audit)
        yield hive
        nursery.cancel_scope.cancel()


async def test_from_question_to_answer(hive: QuestionCommands) -> None:
    questions = hive.questions
    first = await questions.ask("ann", Ask("Which colour?", ("red", "green"), ttl_s=7200.0))
    second = await questions.ask("ann", Ask("Where?", to="bob"))
    shown = (await hive.command("questions")).stdout
    assert f"{first}  " in shown and "ann -> operator  (open, expires in 2h)" in shown
    assert (
        "    Which colour?\n    1. red\n    2. green\n" in shown and "ann -> bob  (open)" in shown
    )
    assert [q["id"] for q in await hive.listed()] == [first, second]

    wrong = await hive.command("answer", str(first), "pink")
    assert wrong.exit_code == 1 and "1: red; 2: green" in wrong.stderr
    assert (await hive.command("answer", str(first))).exit_code == 2
    assert (await hive.command("answer", str(first), "red", "--option", "1")).exit_code == 2
    assert (await hive.command("answer", "999", "red")).exit_code == 1
    done = await hive.command("answer", str(first), "--option", "2")
    assert done.exit_code == 0
    (reply,) = await hive.broker.inbox("ann")
    assert int(done.stdout) == reply.id and reply.body.endswith("green")
    (asked,) = await hive.broker.inbox("operator")
    assert asked.state == "done", "what is answered is read"

    assert (await hive.command("answer", str(second), "there")).exit_code == 0
    assert "in the place of bob" in (await hive.broker.inbox("ann"))[-1].body
    assert (await hive.command("questions")).stdout == "no open questions\n"
    assert [q["state"] for q in await hive.listed("--all")] == ["answered", "answered"]
    told = [(e.action, e.target, e.detail) for e in await hive.audit.newest(10)]
    assert ("answer", f"question {first}", "of ann, for operator: option 2") in told
    assert told[-1] == ("answer", f"question {second}", "of ann, for bob: there")


async def test_hostile_text_is_shown_as_text(hive: QuestionCommands) -> None:
    id_ = await hive.questions.ask("ann", Ask(HOSTILE))
    for _ in range(2):
        shown = (await hive.command("questions", "--all")).stdout
        assert all(c.isprintable() or c == "\n" for c in shown)
        await hive.command("answer", str(id_), HOSTILE)


async def test_more_than_fits_into_a_frame_is_cut_to_the_newest(hive: QuestionCommands) -> None:
    wide = "\u4e2d" * 3999
    ids = []
    for asker in ("ann", "bob"):
        for _ in range(100):
            ids.append(await hive.questions.ask(asker, Ask(wide, ttl_s=30 * 86400.0)))
            await hive.questions.cancel(asker, ids[-1])
    found = [q["id"] for q in await hive.listed("--all", "--limit", "1000")]
    assert found == ids[-len(found) :] and 30 < len(found) < 200
