"""How many wake-ups an agent may order, and what they say: pure functions of values.

Each costs a turn, so each kind has a cap: an agent that wakes itself for ever is a hot loop.
"""

import math
from collections.abc import Sequence

from attrs import frozen

from hive.broker import BrokerError, Draft

HOUR_S = 3600.0
MOST_REASON = 1_000
MOST_LABEL = 60


class TooManyWakeUps(BrokerError):
    """The cap of an hour is reached; the text says when the next one is allowed."""

    code = "too_many"


@frozen
class WakeUpKind:
    """A kind of wake-up: its word in the table, how many an hour, how the agent is told of it."""

    word: str
    an_hour: int
    what: str


NEXT_TURN = WakeUpKind("next_turn", 12, "next turns")
BY_SCRIPT = WakeUpKind("wake", 60, "wake-ups by scripts")


def check_rate(times: Sequence[float], kind: WakeUpKind, now: float) -> None:
    """Raise TooManyWakeUps when the cap of an hour is reached.

    `times` are those of the earlier ones of this kind, in epoch seconds, ascending.
    """
    recent = [at for at in times if now - HOUR_S < at <= now]
    if len(recent) >= kind.an_hour:
        wait = math.floor(recent[-kind.an_hour] + HOUR_S - now) + 1
        raise TooManyWakeUps(
            f"{kind.an_hour} {kind.what} an hour are allowed and made: the next one is in {wait} s."
            " Do now what can be done now, or be woken by the answer to a message"
        )


def one_more_turn(agent: str, reason: str) -> Draft:
    """The message that gives the agent one more turn."""
    return Draft(agent, agent, f"You asked for one more turn: {reason}")


def by_script(agent: str, label: str, text: str, key: str) -> Draft:
    """The message of what runs in the agent's container and calls itself `label`."""
    body = f'Woken from within your container by "{label}":\n{text}'
    return Draft(agent, agent, body, key=key)
