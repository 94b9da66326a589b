"""How long things are kept, and how much is removed at once: values and pure functions."""

from attrs import field, frozen

from hive.strict import must_be
from hive.wire.bounds import clamp

DAY_S = 86400.0
_DAYS = must_be("above 0 days", lambda days: days > 0)

FIRST_BATCH = 20
SMALLEST_BATCH = 5
LARGEST_BATCH = 500
BUSY_S = 0.003
"""What one batch may keep the writer busy for; whoever sends meanwhile waits for it."""


@frozen
class Retention:
    """`[retention]`: days after its last change for which a thing is kept.

    Questions, approvals and the audit are kept for ever, and so is every message that is not
    acknowledged: a dead one until the operator drops it.
    """

    acknowledged_days: float = field(default=30.0, validator=_DAYS)
    events_days: float = field(default=30.0, validator=_DAYS)
    """LiveEvents; of those, the hub keeps the newest 50,000 at most besides."""

    def messages_before(self, now: float) -> float:
        """Return the time before which a message must have been acknowledged to be removed.

        Times are in epoch seconds.
        """
        return now - self.acknowledged_days * DAY_S

    def events_before(self, now: float) -> float:
        """Return the time before which events are removed (epoch seconds)."""
        return now - self.events_days * DAY_S


def next_batch(size: int, took: float) -> int:
    """Return the size of the next batch, after one of `size` that kept the writer for `took` s.

    It shrinks at once, by as much as that was too long, and grows by a quarter only.
    """
    affordable = size * BUSY_S / max(took, 1e-6)
    wanted = min(affordable, size * 1.25 + 1)
    return round(clamp(wanted, SMALLEST_BATCH, LARGEST_BATCH))
