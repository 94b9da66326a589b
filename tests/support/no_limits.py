"""Gates and budgets as a test says they are."""

from hive.agents import Agent
from hive.gate import Hold
from hive.wire.turns import ApiSignal, Spending, TurnReport


class NoLimits:
    """Everybody may work, unless the test sets `refusal` or `only`; keeps what it was told."""

    def __init__(self) -> None:
        self.refusal: Hold | None = None
        self.only = False
        self.asked = 0
        self.began: list[tuple[str, bool]] = []
        self.signals: list[ApiSignal] = []
        self.spent: list[Spending] = []
        self.ended: list[tuple[str, TurnReport]] = []

    async def join(self, agent: Agent) -> None: ...

    def hold(self, agent: Agent) -> Hold | None:
        return self.refusal

    async def admit(self, agent: Agent) -> Hold | None:
        self.asked += 1
        return self.refusal

    def only_urgent(self, agent: Agent) -> bool:
        return self.only

    def turn_began(self, agent: Agent, lease: str, *, urgent: bool) -> None:
        self.began.append((lease, urgent))

    def signal(self, agent: Agent, signal: ApiSignal) -> None:
        self.signals.append(signal)

    def spending(self, agent: Agent, spending: Spending) -> None:
        self.spent.append(spending)

    async def turn_ended(self, agent: Agent, lease: str, report: TurnReport) -> None:
        self.ended.append((lease, report))
