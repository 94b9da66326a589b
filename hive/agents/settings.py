"""What is configured for all agents: sections of hive.toml, which hive/daemon/config.py reads."""

import re

from attrs import frozen

_MODEL = re.compile(r"[^\s,-][^\s,]*")
"""The CLI takes several as one word with commas; one that began with `-` would be an option."""


@frozen
class ClaudeConfig:
    """`[claude]`: which binary and model; None means found on PATH or bundled, and its default."""

    path: str | None = None
    model: str | None = None
    fallback_models: tuple[str, ...] = ()
    """What the CLI may use instead when the model is overloaded or does not exist, in order."""


@frozen
class AgentsConfig:
    """`[agents]`: seconds unless said otherwise."""

    driver: str = "bubblewrap"
    body_cap: int = 16384
    """Largest message body in bytes."""
    orphan_after_s: float = 900.0
    """A harness without its daemon for so long ends its container after its turn."""
    turn_silence_s: float = 600.0
    """A turn in which the CLI prints nothing for so long is stopped."""
    alarm_after_s: float = 60.0
    """Queued, connected, not parked, and no turn for so long: the harness is restarted."""
    harness_silence_s: float = 30.0
    """A harness of which nothing is heard for so long is restarted (twice that at its start)."""
    stop_grace_s: float = 10.0
    """How long a harness may take to end its turn when it is stopped."""
    reconnect_grace_s: float = 5.0
    """How long a lease outlives the connection of its holder."""


def check_model(name: str, where: str = "") -> str:
    """Return `name` if it may name a model; raises ValueError, whose text begins with `where`."""
    if not (_MODEL.fullmatch(name) and name.isprintable()):
        raise ValueError(f"{where}{name!r} cannot be the name of a model")
    return name
