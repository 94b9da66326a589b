"""The state of a harness that more than one of its parts needs. Each field says who writes it."""

import uuid
from pathlib import Path
from typing import TypeVar

import trio
from attrs import define, field, frozen

from harness.outbox import Outbox, PushQueue
from harness.own_login import OwnLogin
from hive.paths import AgentFolders
from hive.redact import Secrets
from hive.wire.events import Event
from hive.wire.harness import HarnessSettings
from hive.wire.messages import Message
from hive.wire.turns import Lease

T = TypeVar("T")


@frozen
class HarnessOptions:
    """How this harness was started, by its command line; times in seconds."""

    name: str
    folders: AgentFolders
    socket: Path
    wrap: tuple[str, ...] = ()
    """The beginning of claude's command line, which hides the harness's own folders from it."""
    take_wait: float = 15.0
    """How long one Take may wait for a message; also how often an idle serve loop ticks."""
    watchdog: float = 10.0
    """The longest silence of the serve loop; what takes longer asks for more time first."""


@define(eq=False)
class HeldLease:
    """The lease of the running turn, with the messages that have joined it since."""

    lease: str
    messages: list[Message]
    unanswered: int = 0
    """Requests for more messages whose answer is due or lost: they may have added some."""

    @classmethod
    def of(cls, lease: Lease) -> "HeldLease":
        """What a turn holds at its beginning, which is `lease`."""
        return cls(lease.id, list(lease.messages))

    @property
    def unsure(self) -> bool:
        """Whether messages may have joined the lease that the model never saw."""
        return self.unanswered > 0


@define(eq=False)
class HarnessState:
    """The state of one harness process that more than one of its parts needs."""

    options: HarnessOptions
    instance: str = field(factory=lambda: uuid.uuid4().hex)
    outbox: Outbox = field(factory=Outbox)
    """For the daemon; the link reads it."""
    records: Outbox = field(factory=Outbox)
    """For the disk; the journal reads it."""
    pushes: PushQueue = field(factory=PushQueue)
    """For the daemon, at once or not at all; the link reads it."""
    settings: HarnessSettings | None = None
    """What the daemon said last, in force from the next turn on; written by the link.

    None until the first connection.
    """
    secrets: Secrets = field(factory=Secrets)
    """What must not leave in any text; learnt from the settings and the agent's own login."""
    holding: HeldLease | None = None
    """Written by the serve loop, added to by the tools; None between turns."""
    stop: trio.Event = field(factory=trio.Event)
    """Set by any part that wants the whole harness to stop in order."""
    stop_grace: float = 20.0
    """How many seconds an ordered stop may take; written by the link when the daemon says so."""
    _login: OwnLogin = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._login = OwnLogin(self.options.folders.claude, self.secrets)

    def take_settings(self, settings: HarnessSettings) -> None:
        """Put what the daemon says in force; an earlier credential stays a secret."""
        self.settings = settings
        self.secrets.learn_variables(settings.environment)

    def redact(self, value: T) -> T:
        """The value without credentials; everything that leaves the harness goes through here."""
        self._login.refresh()
        return self.secrets.redact_value(value)

    def emit(self, event: Event) -> None:
        """Queue an event for the daemon and for the disk. Never waits, never fails."""
        event = self.redact(event)
        self.outbox.put(event)
        self.records.put(event)
