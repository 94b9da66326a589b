"""What the parts of one harness share. Each field says who writes it."""

import uuid
from pathlib import Path
from typing import TypeVar

import trio
from attrs import define, field, frozen

from harness.outbox import Hints, Outbox
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
    """The words that start claude where it cannot see the harness's own places."""
    take_wait: float = 15.0
    """How long one Take may wait for a message; also how often an idle serve loop ticks."""
    watchdog: float = 10.0
    """The longest silence of the serve loop; what takes longer asks for more time first."""


@define(eq=False)
class HeldLease:
    """What the running turn holds; `unanswered` Recvs may have added to it, or may still."""

    lease: str
    messages: list[Message]
    unanswered: int = 0

    @classmethod
    def of(cls, lease: Lease) -> "HeldLease":
        """What a turn holds that begins with `lease`."""
        return cls(lease.id, list(lease.messages))

    @property
    def unsure(self) -> bool:
        """Whether messages may have joined that the model never saw."""
        return self.unanswered > 0


@define(eq=False)
class Shared:
    """The state of one harness process that more than one of its parts needs."""

    options: HarnessOptions
    instance: str = field(factory=lambda: uuid.uuid4().hex)
    outbox: Outbox = field(factory=Outbox)
    """For the daemon; the link reads it."""
    records: Outbox = field(factory=Outbox)
    """For the disk; the journal reads it."""
    hints: Hints = field(factory=Hints)
    """For the daemon, at once or not at all; the link reads it."""
    settings: HarnessSettings | None = None
    """What the daemon said last; the link hears it, in force from the next turn on."""
    secrets: Secrets = field(factory=Secrets)
    """What must not leave in any text; learnt from the settings and the agent's own login."""
    holding: HeldLease | None = None
    """Written by serve, added to by the tools."""
    stop: trio.Event = field(factory=trio.Event)
    """Set by whoever wants the whole harness to end in order."""
    stop_grace: float = 20.0
    """How long an ordered stop may take; written by the link when the daemon says."""
    _login: OwnLogin = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._login = OwnLogin(self.options.folders.claude, self.secrets)

    def take_settings(self, settings: HarnessSettings) -> None:
        """What the daemon says from now on; an earlier credential stays a secret."""
        self.settings = settings
        self.secrets.learn_variables(settings.environment)

    def hide(self, value: T) -> T:
        """A value of the wire without credentials; everything that leaves goes through here."""
        self._login.look()
        return self.secrets.hide(value)

    def emit(self, event: Event) -> None:
        """Publish an event: to the daemon and to the disk, sometime, without waiting."""
        event = self.hide(event)
        self.outbox.put(event)
        self.records.put(event)
