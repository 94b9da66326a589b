"""What closes a bucket, and for how long. Pure."""

from attrs import evolve, frozen

from hive.gate.gate import Bucket, Client, Gate, World, family, model_bucket, window_bucket
from hive.supervisors import Backoff
from hive.text import one_line
from hive.wire.gates import ALL_MODELS, GateState
from hive.wire.states import Condition
from hive.wire.turns import Outcome, TurnReport

MOST_REASON = 500

BACKS_OFF = (Condition.RATE_LIMITED, Condition.OVERLOADED, Condition.UNREACHABLE)
"""The conditions that time heals; the others need somebody's act."""


@frozen
class Closure:
    """Why agents must wait from now on.

    `reset` is in epoch seconds, None if the API did not say until when; `model` is the one that
    the CLI ran, None if it did not say. `reason` and `source` are texts for the operator.
    """

    bucket: str
    condition: Condition
    reason: str
    source: str
    reset: float | None = None
    model: str | None = None


def of_turn(gate: Gate, client: Client, report: TurnReport) -> Closure | None:
    """The closure that this end of a turn means, None if it does not concern other agents.

    A refused credential and a failure of the API's server close nothing the first time, so they are
    not decided here: see `refused` and `failing`.
    """
    source = f"{client.name}: turn ended as {report.outcome}"
    match report.outcome:
        case Outcome.LIMITED:
            return limited(report.window, report.until, report.model, source, report.detail)
        case Outcome.OVERLOADED:
            reason = _with("the API is overloaded", report.detail)
            return Closure(ALL_MODELS, Condition.OVERLOADED, reason, source)
        case Outcome.UNREACHABLE:
            why = "the API cannot be reached, or something else answers in its place"
            return Closure(ALL_MODELS, Condition.UNREACHABLE, _with(why, report.detail), source)
        case Outcome.BILLING:
            todo = f"check its billing page, then {_release(gate, ALL_MODELS)}"
            reason = _with(f"the account cannot be charged: {todo}", report.detail)
            return Closure(ALL_MODELS, Condition.PARKED, reason, source)
        case Outcome.DISABLED:
            todo = f"ask its owner, then {_release(gate, ALL_MODELS)}; or {log_in(gate)}"
            reason = _with(f"the account is disabled or on hold: {todo}", report.detail)
            return Closure(ALL_MODELS, Condition.PARKED, reason, source)
        case Outcome.NO_MODEL:
            bucket = model_bucket(client.model, report.model)
            todo = f"configure another one, or fallback_models, then {_release(gate, bucket)}"
            reason = _with(f"the model {bucket} does not exist for it: {todo}", report.detail)
            return Closure(bucket, Condition.PARKED, reason, source, model=report.model)
        case Outcome.NO_CREDITS:
            bucket = model_bucket(client.model, report.model)
            todo = f"turn them on, or configure another model, then {_release(gate, bucket)}"
            reason = _with(
                f"{bucket} needs usage credits that are not there: {todo}", report.detail
            )
            known = report.until is not None
            condition = Condition.RATE_LIMITED if known else Condition.PARKED
            return Closure(bucket, condition, reason, source, report.until, report.model)
    return None


def limited(
    window: str | None, reset: float | None, model: str | None, source: str, detail: str = ""
) -> Closure:
    """The closure for a usage limit, of one model family if the window is one of its own.

    `window` is in the CLI's words, None if it named none.
    """
    kind = "usage limit" if window is None else f"usage limit {one_line(window, 40)}"
    reason = _with(kind, detail)
    return Closure(window_bucket(window), Condition.RATE_LIMITED, reason, source, reset, model)


def refused(gate: Gate, source: str, detail: str = "") -> Closure:
    """The closure for a credential that was refused twice without an answer between."""
    reason = _with(f"the credential was refused twice: {log_in(gate)}", detail)
    return Closure(ALL_MODELS, Condition.NEEDS_LOGIN, reason, source)


def failing(source: str, detail: str = "") -> Closure:
    """The closure for a server of the API that failed twice without an answer between."""
    reason = _with("the API's server fails again and again", detail)
    return Closure(ALL_MODELS, Condition.OVERLOADED, reason, source)


def close(bucket: Bucket, closure: Closure, client: Client, world: World, again: bool) -> Bucket:
    """The bucket after this closure; `again` if a signal of the same turn has said it before.

    What is closed already stays closed at least as long, and many reports of one limit are one
    closure. The operator's hold stays, and remembers that there is something behind it.
    """
    if bucket.state is GateState.HELD:
        return evolve(bucket, tries=max(1, bucket.tries))
    bucket = _remember(bucket, client, closure.model)
    if bucket.state is GateState.CLOSED:
        return _lengthen(bucket, closure, world)
    if again:
        return bucket
    tries = bucket.tries + 1
    return Bucket(
        name=bucket.name,
        state=GateState.CLOSED,
        condition=closure.condition,
        since=world.now,
        until=_until(closure, tries, world),
        reason=closure.reason,
        source=closure.source,
        tries=tries,
        also=bucket.also,
        default_model=bucket.default_model,
    )


def log_in(gate: Gate) -> str:
    """The words that tell the operator how to log in anew."""
    kind, _, agent = gate.credential.partition(":")
    who = agent if kind == "own" and agent else f"--credential {gate.credential}"
    return f"run `hive login {who}`"


def _remember(bucket: Bucket, client: Client, model: str | None) -> Bucket:
    """See to it that who ran into it waits for it, whatever its configuration says."""
    if bucket.concerns(client):
        return bucket
    own = model is None or bucket.name in (model, family(model))
    if client.model is None and own:  # not a helper of another model
        return evolve(bucket, default_model=True)
    return evolve(bucket, also=bucket.also | {client.name})


def _lengthen(bucket: Bucket, closure: Closure, world: World) -> Bucket:
    reset = _credible_reset(closure, world)
    if closure.condition in BACKS_OFF and reset is None:
        return bucket  # a guess adds nothing to what is known
    until = _until(closure, bucket.tries, world)
    if bucket.until is None or (until is not None and until <= bucket.until):
        return bucket
    return evolve(
        bucket,
        condition=closure.condition,
        reason=closure.reason,
        source=closure.source,
        until=until,
    )


def _until(closure: Closure, tries: int, world: World) -> float | None:
    """When to look again; None: when somebody has acted."""
    if closure.condition not in BACKS_OFF:
        return None
    reset = _credible_reset(closure, world)
    if reset is not None:
        return reset + world.settings.margin_s
    return world.now + _backoff(closure, world).delay(tries, world.chance)


def _backoff(closure: Closure, world: World) -> Backoff:
    settings = world.settings
    limited = closure.condition is Condition.RATE_LIMITED
    return settings.unknown_reset if limited else settings.overloaded


def _credible_reset(closure: Closure, world: World) -> float | None:
    reset = closure.reset
    if reset is not None and world.now < reset <= world.now + world.settings.longest_limit_s:
        return reset
    return None


def _release(gate: Gate, bucket: str) -> str:
    which = "" if bucket == ALL_MODELS else f" --bucket {bucket}"
    return f"`hive gate release {gate.credential}{which}`"


def _with(reason: str, detail: str) -> str:
    return one_line(f"{reason} ({detail})" if detail else reason, MOST_REASON)
