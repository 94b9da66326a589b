"""The table of gates in a real store: what a restart finds again. Real clock."""

import time
from pathlib import Path

import pytest
import trio
from support.gate_fixture import GateFixture

from hive.gate import Client, GateService
from hive.gate.gate import Bucket
from hive.gate.rows import GateTable, row_of
from hive.store import MIGRATIONS, open_store
from hive.wire.gates import GateCommand, GateState
from hive.wire.states import Condition
from hive.wire.turns import Outcome, TurnReport

C = "default"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {})


async def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    closed = Bucket(
        "all", GateState.CLOSED, Condition.RATE_LIMITED, 1.5, 2.5, "why; --", "ann's turn", 3
    )
    held = Bucket("opus", GateState.HELD, Condition.PARKED, 4.0)
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        table = GateTable(store)
        await table.save([row_of(C, closed), row_of(C, held), row_of("own:x", held)], [])
        await table.save([], [("own:x", "opus"), ("never", "was")])
        assert await table.all() == {C: (closed, held)}
        await store.write(lambda db: db.execute("UPDATE gates SET condition = 'new'").fetchall())
        assert {b.condition for b in (await table.all())[C]} == {Condition.PARKED}


def gates_of(hive: GateFixture, store: object) -> GateService:
    gates = hive.gates(store)
    hive.holds.clear()
    return gates


async def test_a_limit_and_a_hold_outlive_the_daemon(
    tmp_path: Path, hive: GateFixture, running
) -> None:
    hive.wall = time.time
    hive.add(C, Client("ann", queued=1), Client("bob", queued=1))
    hive.add("work", Client("cid"))
    reset = time.time() + 3600
    path = tmp_path / "hive.sqlite"
    with trio.fail_after(20):
        async with open_store(path, MIGRATIONS) as store, running(gates_of(hive, store)) as gates:
            report = TurnReport(Outcome.LIMITED, until=reset, window="five_hour")
            await gates.turn_ended(C, "ann", "l", report)
            await gates.ensure("work")
            await gates.command(GateCommand("work", "hold", reason="lunch"))
        async with open_store(path, MIGRATIONS) as store, running(gates_of(hive, store)) as gates:
            assert gates.hold(C, None, "bob").until == reset + 5
            assert (await gates.admit(C, "bob")).condition is Condition.RATE_LIMITED
            assert (await gates.admit("work", "cid")).reason == "held by the operator: lunch"
            assert hive.free() == set()
            await gates.command(GateCommand(C, "probe"))
            assert hive.free() == {"ann"}
        async with open_store(path, MIGRATIONS) as store, running(gates_of(hive, store)) as gates:
            await gates.ensure(C)
            assert await gates.admit(C, "bob") is not None  # still one alone
            assert await gates.admit(C, "ann") is None
