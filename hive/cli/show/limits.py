"""Gates and budgets on one line each: who must wait for what until when."""

from collections.abc import Sequence

from hive.cli.show.text import moment, one_line, safe, table
from hive.wire.budgets import BudgetReached, Period, Unit
from hive.wire.gates import ALL_MODELS, GateState, GateStatus
from hive.wire.states import Condition

_OWN = "own:"
"""Begins the credential's name of an agent that is logged in within its own home."""


def gate_line(gate: GateStatus) -> str:
    """One bucket: `default: rate limited until 14:30, 4 agents wait, 12 messages queued`."""
    parts = [f"{_bucket(gate)}: {_what(gate)}"]
    if gate.waiting:
        parts.append("1 agent waits" if gate.waiting == 1 else f"{gate.waiting} agents wait")
    if gate.queued:
        parts.append("1 message queued" if gate.queued == 1 else f"{gate.queued} messages queued")
    if todo := gate_todo(gate):
        parts.append(todo)
    return ", ".join(parts)


def gate_todo(gate: GateStatus) -> str:
    """The command that ends the waiting; empty where time does, or nobody waits."""
    which = safe(gate.credential)
    if gate.state is GateState.HELD:
        return f"go on with: hive gate release {which}"
    if gate.state is not GateState.CLOSED:
        return ""
    if gate.condition is Condition.NEEDS_LOGIN:
        own = gate.credential.startswith(_OWN)
        return f"do: hive login {which[len(_OWN) :] if own else f'--credential {which}'}"
    if gate.condition is Condition.PARKED:
        return f"when repaired: hive gate probe {which}"
    return ""


def gates(found: Sequence[GateStatus]) -> str:
    """Every bucket with who closed it and why."""
    if not found:
        return "no credential is in use yet"
    return table(
        ("CREDENTIAL", "BUCKET", "STATE", "WAITING", "QUEUED", "SOURCE", "WHY"),
        [
            (
                one_line(one.credential),
                one_line(one.bucket),
                _what(one),
                str(one.waiting),
                str(one.queued),
                one_line(one.source or "-", 40),
                one_line(one.reason or "", 120),
            )
            for one in found
        ],
    )


def budget_reached(reached: BudgetReached) -> str:
    """`budget of manager for the day is used to 80%: $4.00 of $5.00`."""
    budget = reached.budget
    period = "for the day" if budget.period is Period.DAY else "in total"
    amounts = " of ".join(_amount(each, budget.unit) for each in (budget.spent, budget.amount))
    return f"budget of {budget.scope} {period} is used to {reached.share:.0%}: {amounts}"


def _amount(value: float, unit: Unit) -> str:
    return f"${value:,.2f}" if unit is Unit.USD else f"{value:,.0f} tokens"


def _bucket(gate: GateStatus) -> str:
    whole = gate.credential if gate.bucket == ALL_MODELS else f"{gate.credential}/{gate.bucket}"
    return one_line(whole)


def _what(gate: GateStatus) -> str:
    until = "" if gate.until is None else f" until {moment(gate.until)}"
    match gate.state:
        case GateState.OPEN:
            return "open"
        case GateState.WARNED:
            resets = "" if gate.until is None else f", which resets at {moment(gate.until)}"
            return f"near its limit{resets}"
        case GateState.PROBING:
            return f"{_word(gate)}, {one_line(gate.probe or 'the next turn')} tries"
        case GateState.HELD:
            return f"held by the operator{until}"
        case GateState.CLOSED:
            return f"{_word(gate)}{until}"


def _word(gate: GateStatus) -> str:
    return gate.condition.value.replace("_", " ")
