"""The gate's decisions, one rule at a time; all pure."""

import itertools

import pytest
from attrs import evolve

from hive.gate.gate import Client, Gate, GateSettings, World
from hive.gate.holds import hold_of, statuses
from hive.gate.policy import Admit, Look, NewLogin, Signal, TurnEnd, step
from hive.wire.gates import GateCommand, GateState
from hive.wire.states import Condition
from hive.wire.turns import ApiSignal, Outcome, SignalKind, TurnReport

T0 = 1_000_000.0
MARGIN = GateSettings().margin_s


class Play:
    """A gate, its agents and its time; each method is one event."""

    def __init__(self, *clients: Client, **settings: float) -> None:
        self.clients = {one.name: one for one in clients}
        self.settings = GateSettings(**settings)  # type: ignore[arg-type]
        self.now = T0
        self.gate = Gate("default")

    @property
    def world(self) -> World:
        return World(tuple(self.clients.values()), self.now, 0.5, self.settings)

    def do(self, event) -> None:
        self.gate = step(self.gate, event, self.world)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.do(Look())

    def admit(self, agent: str):
        self.do(Admit(agent))
        hold = self.hold(agent)
        if hold is None:
            self.change(agent, queued=0, busy=True)
        return hold

    def change(self, agent: str, **values: object) -> None:
        self.clients[agent] = evolve(self.clients[agent], **values)

    def say(self, agent: str, kind: SignalKind, lease: str = "", **values: object) -> None:
        self.do(Signal(agent, ApiSignal(lease or f"{agent}-1", kind, **values)))

    def end(self, agent: str, outcome: Outcome, lease: str = "", **values: object) -> None:
        self.change(agent, busy=False)
        self.do(TurnEnd(agent, lease or f"{agent}-1", TurnReport(outcome, **values)))

    def order(self, action: str, bucket: str | None = None, **values: object) -> None:
        self.do(GateCommand("default", action, bucket, **values))

    def hold(self, agent: str):
        return hold_of(self.gate, self.clients[agent], self.now)

    def free(self) -> set[str]:
        return {name for name in self.clients if self.hold(name) is None}

    def state(self, name: str = "all") -> GateState:
        return self.gate.bucket(name).state


def agents(count: int, **values: object) -> list[Client]:
    return [
        Client(f"a{number}", queued=1, waiting_since=T0 - 100 + number, **values)  # type: ignore[arg-type]
        for number in range(count)
    ]


@pytest.fixture
def ten() -> Play:
    return Play(*agents(10))


def close_until(play: Play, reset: float) -> None:
    play.say("a3", SignalKind.REJECTED, window="five_hour", resets_at=reset)


# -- closing ------------------------------------------------------------------------------------


def test_one_rejected_event_parks_everybody_until_reset_and_margin(ten: Play) -> None:
    close_until(ten, T0 + 600)
    for name in ten.clients:
        hold = ten.hold(name)
        assert hold is not None
        assert hold.condition is Condition.RATE_LIMITED
        assert hold.until == T0 + 600 + MARGIN
    ten.wait(600 + MARGIN - 1)
    assert ten.state() is GateState.CLOSED


def test_ten_reports_of_one_limit_are_one_closure(ten: Play) -> None:
    close_until(ten, T0 + 600)
    before = ten.gate.buckets
    ten.now += 2
    for number in range(10):
        ten.say(f"a{number}", SignalKind.REJECTED, window="five_hour", resets_at=T0 + 600)
        ten.end(f"a{number}", Outcome.LIMITED, until=T0 + 600, window="five_hour")
    assert ten.gate.buckets == before
    assert ten.gate.bucket("all").tries == 1


def test_a_later_reset_prolongs_and_an_earlier_one_does_not_shorten(ten: Play) -> None:
    close_until(ten, T0 + 600)
    ten.say("a1", SignalKind.REJECTED, window="seven_day", resets_at=T0 + 9000)
    assert ten.gate.bucket("all").until == T0 + 9000 + MARGIN
    close_until(ten, T0 + 700)
    ten.end("a2", Outcome.OVERLOADED)
    assert ten.gate.bucket("all").until == T0 + 9000 + MARGIN
    assert ten.gate.bucket("all").condition is Condition.RATE_LIMITED
    ten.end("a2", Outcome.BILLING, lease="a2-2")
    assert ten.gate.bucket("all").until is None
    ten.end("a2", Outcome.LIMITED, lease="a2-3", until=T0 + 10)
    assert (ten.gate.bucket("all").condition, ten.gate.bucket("all").until) == ("parked", None)


@pytest.mark.parametrize("reset", [None, T0 - 1, T0, T0 + 9 * 86400, float("nan"), float("inf")])
def test_without_a_reset_to_believe_the_probes_come_at_growing_intervals(reset) -> None:
    play, waits = Play(*agents(1)), []
    for _ in range(9):
        play.change("a0", queued=1)
        play.admit("a0")
        play.end("a0", Outcome.LIMITED, until=reset if play.now == T0 else None)
        until = play.gate.bucket("all").until
        assert until is not None
        waits.append(until - play.now)
        play.wait(until - play.now)
        assert play.state() is GateState.PROBING
    assert waits == [w * 0.9 for w in (60, 120, 240, 480, 960, 1920, 3600, 3600, 3600)]


def test_overload_backs_off_shorter_and_says_so(ten: Play) -> None:
    ten.end("a0", Outcome.OVERLOADED, detail="529 Overloaded")
    bucket = ten.gate.bucket("all")
    assert bucket.condition is Condition.OVERLOADED
    assert bucket.until == T0 + 9
    assert "529 Overloaded" in (bucket.reason or "")


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.COMPLETED,
        Outcome.CONTEXT_FULL,
        Outcome.FAILED,
        Outcome.REFUSED,
        Outcome.INTERRUPTED,
        Outcome.OVER_BUDGET,
    ],
)
def test_what_concerns_one_agent_closes_nothing(ten: Play, outcome: Outcome) -> None:
    before = ten.gate
    ten.end("a0", outcome, until=T0 + 600)
    assert ten.gate == before


def test_a_window_of_one_family_parks_only_that() -> None:
    play = Play(
        Client("o1", "opus"),
        Client("o2", "claude-opus-5-5"),
        Client("s", "sonnet"),
        Client("d"),
        Client("d2"),
    )
    play.say("o1", SignalKind.REJECTED, window="seven_day_opus", resets_at=T0 + 600)
    assert play.free() == {"s", "d", "d2"}
    # The default model turns out to be of that family: nobody runs into it twice.
    play.end("d", Outcome.LIMITED, window="seven_day_opus", until=T0 + 600, model="claude-opus-5-5")
    assert play.free() == {"s"}
    assert play.hold("d").reason.startswith("opus: usage limit seven_day_opus")


def test_a_helper_of_another_model_parks_the_agent_and_not_all_of_its_model() -> None:
    play = Play(Client("d1"), Client("d2"), Client("s1", "sonnet"), Client("s2", "sonnet"))
    for name in ("d1", "s1"):
        play.end(name, Outcome.LIMITED, window="seven_day_opus", model="claude-sonnet-5-5")
    assert play.free() == {"d2", "s2"}


def test_a_model_that_does_not_exist_parks_those_that_use_it_without_a_timer() -> None:
    play = Play(Client("old", "claude-opus-1"), Client("new", "claude-opus-5-5"), Client("d"))
    play.end("old", Outcome.NO_MODEL, model="claude-opus-1")
    hold = play.hold("old")
    assert (hold.condition, hold.until) == (Condition.PARKED, None)
    assert "hive gate release default --bucket claude-opus-1" in hold.reason
    assert play.free() == {"new", "d"}
    play.end("d", Outcome.NO_MODEL, model="\x1b[2J" * 50)
    assert play.free() == {"new"}
    assert [one.bucket for one in statuses(play.gate, play.world)] == [
        "all",
        "claude-opus-1",
        "default-model",
    ]


@pytest.mark.parametrize("outcome", [Outcome.BILLING, Outcome.DISABLED])
def test_billing_and_disabled_wait_for_somebody(ten: Play, outcome: Outcome) -> None:
    ten.end("a0", outcome)
    assert ten.free() == set()
    ten.wait(30 * 86400)
    assert ten.state() is GateState.CLOSED
    assert "hive gate release default" in ten.hold("a1").reason
    ten.do(NewLogin())
    assert ten.state() is GateState.PROBING


def test_an_api_that_is_not_reached_backs_off_like_an_overload_and_says_so(ten: Play) -> None:
    ten.end("a0", Outcome.UNREACHABLE, detail="ENOTFOUND")
    bucket = ten.gate.bucket("all")
    assert (bucket.condition, bucket.until) == (Condition.UNREACHABLE, T0 + 9)
    assert "cannot be reached" in (bucket.reason or "") and "ENOTFOUND" in (bucket.reason or "")


def test_an_outage_of_an_hour_is_waited_for_with_few_requests() -> None:
    play, tries = Play(*agents(1)), 0
    while play.now < T0 + 3600:
        play.change("a0", queued=1)
        play.admit("a0")
        play.end("a0", Outcome.UNREACHABLE)
        tries += 1
        until = play.gate.bucket("all").until
        assert until is not None and until - play.now <= 600
        play.wait(until - play.now)
    assert tries < 20


@pytest.mark.parametrize(
    ("until", "condition"), [(None, Condition.PARKED), (T0 + 600, Condition.RATE_LIMITED)]
)
def test_credits_that_one_model_needs_close_only_that(until, condition) -> None:
    play = Play(Client("long", "opus[1m]"), Client("o", "opus"), Client("s", "sonnet"), Client("d"))
    play.end(
        "long", Outcome.NO_CREDITS, until=until, detail="Usage credits required for 1M context"
    )
    assert play.free() == {"o", "s", "d"}
    assert play.hold("long").condition is condition
    assert "hive gate release default --bucket opus[1m]" in play.hold("long").reason
    assert "1M context" in play.hold("long").reason
    play.end("d", Outcome.NO_CREDITS, model="claude-fable-5-2")
    assert play.free() == {"o", "s"}
    if until is not None:
        play.wait(600 + MARGIN)
        assert play.state("opus[1m]") is GateState.PROBING


# -- failures of the API's server ----------------------------------------------------------------


def test_a_server_error_that_one_agent_meets_keeps_nobody_else(ten: Play) -> None:
    ten.end("a0", Outcome.SERVER_ERROR)
    assert ten.state() is GateState.OPEN and len(ten.free()) == 10
    ten.say("a1", SignalKind.ANSWERED)
    ten.end("a2", Outcome.SERVER_ERROR, detail="API Error: 500")
    assert ten.state() is GateState.OPEN, "there was an answer between"


def test_server_errors_of_two_agents_in_a_row_are_an_overload(ten: Play) -> None:
    ten.end("a0", Outcome.SERVER_ERROR)
    ten.end("a1", Outcome.SERVER_ERROR, detail="API Error: 503")
    hold = ten.hold("a5")
    assert (hold.condition, hold.until) == (Condition.OVERLOADED, T0 + 9)
    assert "API Error: 503" in hold.reason
    ten.wait(9)
    assert ten.state() is GateState.PROBING
    ten.change("a5", queued=1)
    ten.admit("a5")
    ten.end("a5", Outcome.SERVER_ERROR)
    assert ten.state() is GateState.CLOSED, "the probe found the same"
    assert ten.gate.bucket("all").tries == 2


@pytest.mark.parametrize("others_work", [False, True])
def test_one_agent_that_fails_again_closes_only_if_nobody_knows_better(
    ten: Play, others_work: bool
) -> None:
    ten.change("a7", busy=others_work)
    ten.end("a0", Outcome.SERVER_ERROR)
    ten.end("a0", Outcome.SERVER_ERROR, lease="a0-2")
    assert (ten.state() is GateState.OPEN) is others_work


def test_the_operators_release_begins_the_count_of_server_errors_anew(ten: Play) -> None:
    ten.end("a0", Outcome.SERVER_ERROR)
    ten.do(GateCommand("default", "release"))
    ten.end("a1", Outcome.SERVER_ERROR)
    assert ten.state() is GateState.OPEN


def test_text_of_the_api_is_one_short_line(ten: Play) -> None:
    ten.end("a0", Outcome.OVERLOADED, detail="\x1b]0;x\x07\n" * 500)
    assert len(ten.hold("a1").reason) < 3000
    assert ten.hold("a1").reason.isprintable()


# -- unauthorised -------------------------------------------------------------------------------


def test_the_first_refusal_is_tried_again_and_the_second_needs_a_login(ten: Play) -> None:
    ten.say("a0", SignalKind.UNAUTHORISED)
    ten.say("a0", SignalKind.UNAUTHORISED)
    ten.end("a0", Outcome.UNAUTHORISED)
    assert ten.free() == set(ten.clients)
    ten.say("a4", SignalKind.UNAUTHORISED)
    hold = ten.hold("a0")
    assert (hold.condition, hold.until) == (Condition.NEEDS_LOGIN, None)
    assert "hive login --credential default" in hold.reason
    ten.end("a4", Outcome.UNAUTHORISED)
    assert ten.gate.bucket("all").tries == 1


def test_an_answer_between_two_refusals_makes_the_second_a_first(ten: Play) -> None:
    ten.end("a0", Outcome.UNAUTHORISED)
    ten.say("a1", SignalKind.ANSWERED)
    ten.end("a0", Outcome.UNAUTHORISED, lease="a0-2")
    assert ten.free() == set(ten.clients)
    ten.end("a0", Outcome.UNAUTHORISED, lease="a0-3")
    assert ten.free() == set()


def test_the_probe_after_a_new_login_has_its_one_retry_too(ten: Play) -> None:
    for lease in ("x1", "x2"):
        ten.end("a0", Outcome.UNAUTHORISED, lease=lease)
    ten.do(NewLogin())
    assert ten.free() == {"a0"}
    assert ten.admit("a0") is None
    ten.say("a0", SignalKind.UNAUTHORISED, lease="x3")
    ten.end("a0", Outcome.UNAUTHORISED, lease="x3")
    assert ten.state() is GateState.PROBING
    assert ten.free() == {"a1"}
    ten.say("a1", SignalKind.UNAUTHORISED, lease="x4")
    assert ten.state() is GateState.CLOSED


def test_an_own_login_names_its_agent() -> None:
    play = Play(Client("mia"))
    play.gate = Gate("own:mia")
    for lease in "12":
        play.end("mia", Outcome.UNAUTHORISED, lease=lease)
    assert "run `hive login mia`" in play.hold("mia").reason


def test_one_turn_counts_once_even_if_somebody_acts_in_its_middle(ten: Play) -> None:
    ten.end("a0", Outcome.UNAUTHORISED)
    ten.say("a1", SignalKind.UNAUTHORISED)
    ten.order("release")
    ten.end("a1", Outcome.UNAUTHORISED)
    ten.end("a2", Outcome.UNAUTHORISED)
    assert ten.state() is GateState.OPEN
    ten.end("a2", Outcome.UNAUTHORISED, lease="a2-2")
    assert ten.state() is GateState.CLOSED


def test_a_new_login_does_not_end_a_limit(ten: Play) -> None:
    close_until(ten, T0 + 600)
    ten.do(NewLogin())
    assert ten.state() is GateState.CLOSED


# -- probing ------------------------------------------------------------------------------------


def test_exactly_one_tries_and_the_others_follow_spaced_in_their_order(ten: Play) -> None:
    ten.change("a8", queued=0, waiting_since=None)
    ten.change("a5", waiting_since=T0 - 500)
    close_until(ten, T0 + 600)
    ten.wait(600 + MARGIN)
    assert ten.free() == {"a5"}
    assert ten.hold("a0").reason.startswith("waits for the probe of a5")
    assert ten.admit("a5") is None
    ten.wait(100)
    assert ten.free() == {"a5"}
    ten.say("a5", SignalKind.ANSWERED)
    assert ten.state() is GateState.OPEN
    assert ten.free() == {"a5", "a8"}
    order, times = [], []
    for _ in range(200):
        ten.wait(0.25)
        for name in sorted(ten.free() - {"a5", "a8", *order}):
            order.append(name)
            times.append(ten.now)
    assert order == ["a0", "a1", "a2", "a3", "a4", "a6", "a7", "a9"]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert min(gaps) >= 1.25 and max(gaps) <= 4.75


def test_a_rejected_probe_closes_again_for_longer(ten: Play) -> None:
    ten.end("a3", Outcome.LIMITED)
    ten.wait(60)
    assert ten.admit("a0") is None
    ten.end("a0", Outcome.LIMITED)
    assert ten.free() == set()
    assert ten.gate.bucket("all").tries == 2
    assert ten.gate.bucket("all").until == pytest.approx(ten.now + 108)


def test_without_work_everybody_is_free_and_the_first_taker_tries() -> None:
    play = Play(Client("a"), Client("b"))
    play.end("a", Outcome.OVERLOADED)
    play.wait(10)
    assert play.free() == {"a", "b"}
    assert play.admit("b") is None
    assert play.admit("a") is not None
    assert play.free() == {"b"}


@pytest.mark.parametrize("end", [Outcome.INTERRUPTED, Outcome.FAILED, Outcome.OVER_BUDGET])
def test_a_probe_that_found_out_nothing_is_replaced(ten: Play, end: Outcome) -> None:
    close_until(ten, T0 + 60)
    ten.wait(70)
    ten.admit("a0")
    ten.end("a0", end)
    assert ten.free() == {"a1"}


def test_a_probe_that_completes_opens(ten: Play) -> None:
    close_until(ten, T0 + 60)
    ten.wait(70)
    ten.end("a0", Outcome.COMPLETED)  # an old turn: says nothing, it may have asked long before
    assert ten.state() is GateState.PROBING
    ten.admit("a0")
    ten.end("a0", Outcome.COMPLETED)
    assert ten.state() is GateState.OPEN


def test_a_probe_that_takes_nothing_or_goes_away_is_replaced(ten: Play) -> None:
    close_until(ten, T0 + 60)
    ten.wait(70)
    ten.wait(119)
    assert ten.free() == {"a0"}
    ten.wait(1)
    assert ten.free() == {"a1"}
    del ten.clients["a1"]
    ten.do(Look())
    assert ten.free() == {"a2"}
    ten.change("a2", queued=0)
    ten.do(Look())
    assert ten.free() == {"a3"}
    ten.admit("a3")
    ten.wait(899)
    assert ten.free() == {"a3"}
    ten.wait(1)
    assert ten.free() == {"a4"}


def test_a_lonely_probe_is_chosen_again_and_again() -> None:
    play = Play(*agents(1))
    play.end("a0", Outcome.OVERLOADED)
    play.wait(10)
    for _ in range(5):
        play.wait(120)
        assert play.free() == {"a0"}


def test_an_answer_while_closed_opens_nothing(ten: Play) -> None:
    close_until(ten, T0 + 60)
    ten.say("a1", SignalKind.ANSWERED)
    ten.end("a1", Outcome.COMPLETED)
    assert ten.state() is GateState.CLOSED


def test_an_answer_of_another_model_opens_no_family() -> None:
    play = Play(Client("o", "opus", queued=1), Client("s", "sonnet", queued=1))
    play.end("o", Outcome.LIMITED, window="seven_day_opus")
    play.wait(60)
    play.say("s", SignalKind.ANSWERED, model="claude-sonnet-5-5")
    assert play.state("opus") is GateState.PROBING
    play.say("o", SignalKind.ANSWERED, model="claude-opus-5-5")
    assert [one.name for one in play.gate.buckets] == ["all"]


def test_the_probe_of_all_models_is_none_that_its_own_bucket_holds() -> None:
    play = Play(
        Client("o", "opus", queued=1, waiting_since=1.0),
        Client("s", "sonnet", queued=1, waiting_since=2.0),
    )
    play.say("o", SignalKind.REJECTED, window="seven_day_opus", resets_at=T0 + 6000)
    play.end("s", Outcome.OVERLOADED)
    play.change("s", queued=1)
    play.wait(10)
    assert play.free() == {"s"}


# -- the operator -------------------------------------------------------------------------------


def test_a_hold_wins_over_everything(ten: Play) -> None:
    ten.order("hold", reason="quiet please\n")
    hold = ten.hold("a0")
    assert (hold.condition, hold.until) == (Condition.PARKED, None)
    assert hold.reason == "held by the operator: quiet please\\n"
    for kind in SignalKind:
        ten.say("a1", kind, resets_at=T0 + 5)
    ten.end("a1", Outcome.COMPLETED)
    ten.do(NewLogin())
    ten.wait(30 * 86400)
    assert ten.state() is GateState.HELD
    ten.order("release")
    assert ten.state() is GateState.OPEN


def test_a_hold_until_then_opens_or_is_tried_if_it_was_closed(ten: Play) -> None:
    ten.order("hold", until=T0 + 60)
    ten.wait(60)
    assert ten.state() is GateState.OPEN
    ten.order("hold", until=T0 + 120)
    close_until(ten, T0 + 600)
    ten.wait(60)
    assert ten.free() == {"a0"}
    assert ten.hold("a1").reason == "waits for the probe of a0: was held by the operator"


def test_release_opens_spaced_and_the_first_goes_at_once(ten: Play) -> None:
    close_until(ten, T0 + 600)
    ten.order("release")
    assert ten.free() == {"a0"}
    assert ten.state() is GateState.OPEN
    ten.wait(60)
    assert ten.free() == set(ten.clients)


def test_probe_half_opens_whatever_it_waits_for(ten: Play) -> None:
    close_until(ten, T0 + 600)
    ten.order("probe")
    assert ten.free() == {"a0"}
    ten.order("hold")
    ten.order("probe", "all")
    assert ten.free() == {"a0"}


def test_an_end_that_arrives_after_the_release_is_no_news(ten: Play) -> None:
    close_until(ten, T0 + 600)
    ten.order("release")
    ten.end("a3", Outcome.LIMITED, until=T0 + 600)
    assert ten.state() is GateState.OPEN
    ten.end("a3", Outcome.LIMITED, lease="a3-2", until=T0 + 600)
    assert ten.state() is GateState.CLOSED


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        (GateCommand("default", "open"), "hold, release, probe"),
        (GateCommand("default", "release", "gpt"), "all, opus, sonnet, haiku, fable"),
        (GateCommand("default", "hold", until=T0), "in the future"),
        (GateCommand("default", "hold", until=float("nan")), "in the future"),
    ],
)
def test_bad_commands_say_what_is_allowed(ten: Play, command: GateCommand, allowed: str) -> None:
    with pytest.raises(ValueError, match=allowed):
        ten.do(command)


def test_holding_one_family(ten: Play) -> None:
    ten.change("a0", model="haiku")
    ten.order("hold", "haiku")
    assert ten.free() == set(ten.clients) - {"a0"}
    ten.order("release", "haiku")
    assert ten.free() == set(ten.clients)


# -- warnings, clocks ---------------------------------------------------------------------------


def test_a_warning_is_shown_until_its_window_ends(ten: Play) -> None:
    ten.say("a0", SignalKind.WARNED, window="five_hour", utilization=0.9, resets_at=T0 + 60)
    assert ten.state() is GateState.WARNED
    assert ten.gate.bucket("all").reason == "usage limit five_hour is used to 90%"
    assert ten.free() == set(ten.clients)
    ten.wait(60)
    assert ten.state() is GateState.OPEN
    assert ten.gate.bucket("all").reason is None


def test_a_clock_that_goes_back_makes_nobody_wait_longer(ten: Play) -> None:
    ten.end("a3", Outcome.OVERLOADED)
    ten.wait(-86400)
    ten.wait(9)
    assert ten.free() == {"a0"}
    ten.wait(-86400)
    ten.wait(120)
    assert ten.free() == {"a1"}
    ten.order("release")
    ten.wait(-86400)
    ten.wait(60)
    assert ten.free() == set(ten.clients)


def test_the_status_counts_who_waits_and_their_messages(ten: Play) -> None:
    ten.change("a0", queued=4)
    close_until(ten, T0 + 600)
    (status,) = statuses(ten.gate, ten.world)
    assert (status.waiting, status.queued, status.tries) == (10, 13, 1)
    assert status.source == "a3: rejected in its turn"
