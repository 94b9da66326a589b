"""What can happen to a gate: a closed set, besides the operator's GateCommand."""

from attrs import frozen

from hive.wire import ApiSignal, GateCommand, TurnReport


@frozen
class Look:
    """Time has passed, or agents came, went or got work."""


@frozen
class Signal:
    """What the API said in the middle of an agent's turn."""

    agent: str
    signal: ApiSignal


@frozen
class TurnEnd:
    """An agent's turn is over."""

    agent: str
    lease: str
    report: TurnReport


@frozen
class Admit:
    """An agent is about to take work: it becomes the probe if there is none."""

    agent: str


@frozen
class NewLogin:
    """The credential was replaced."""


@frozen
class Said:
    """To the actor: something was said to its seat. No event: nothing is decided about it."""


Event = Look | Signal | TurnEnd | Admit | GateCommand | NewLogin
