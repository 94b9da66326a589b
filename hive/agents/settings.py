"""What is configured for all agents: sections of hive.toml, which hive/daemon/config.py reads."""

from typing import Any

import attrs
from attrs import field, frozen

from hive.strict import must_be
from hive.wire.bounds import BODY_CAP, MOST_BODY
from hive.wire.names import check_model

LEAST_HARNESS_SILENCE_S = 12.0


def _models(_: Any, attribute: "attrs.Attribute[Any]", names: str | tuple[str, ...] | None) -> None:
    for name in (names,) if isinstance(names, str) else names or ():
        check_model(name, f"{attribute.name}: ")


_SECONDS = must_be("above 0 seconds", lambda seconds: seconds > 0)


@frozen
class ClaudeConfig:
    """`[claude]`: which binary and which models.

    `path` None: the one on PATH, else the bundled one. `model` None: its default.
    """

    path: str | None = None
    model: str | None = field(default=None, validator=_models)
    fallback_models: tuple[str, ...] = field(default=(), validator=_models)
    """What the CLI may use instead when the model is overloaded or does not exist, in order."""


@frozen
class AgentsConfig:
    """`[agents]`: times and sizes that hold for every agent; seconds unless said otherwise."""

    driver: str = "bubblewrap"
    body_cap: int = field(
        default=BODY_CAP,
        validator=must_be(f"1 to {MOST_BODY} bytes", lambda size: 0 < size <= MOST_BODY),
    )
    """Largest message body in bytes."""
    orphan_after_s: float = field(default=900.0, validator=_SECONDS)
    """A harness without its daemon for so long ends its container after its turn."""
    turn_silence_s: float = field(default=600.0, validator=_SECONDS)
    """A turn in which the CLI prints nothing for so long is stopped."""
    alarm_after_s: float = field(default=60.0, validator=_SECONDS)
    """Queued, connected, not parked, and no turn for so long: the harness is restarted."""
    harness_silence_s: float = field(
        default=30.0,
        validator=[
            _SECONDS,
            must_be(
                f"{LEAST_HARNESS_SILENCE_S:g} seconds or more: a healthy harness reports every 5 "
                "seconds",
                lambda seconds: seconds >= LEAST_HARNESS_SILENCE_S,
            ),
        ],
    )
    """A harness of which nothing is heard for so long is restarted (twice that at its start)."""
    stop_grace_s: float = field(default=10.0, validator=_SECONDS)
    """How long a harness may take to end its turn when it is stopped."""
    reconnect_grace_s: float = field(default=5.0, validator=_SECONDS)
    """How long a lease outlives the connection of its holder."""
