"""How long a turn may be silent. Pure; all times are seconds of one clock.

Each line of the stream is a sign of life. Two silences are no fault: that of a tool that runs, and
that of the CLI while it waits to ask its API again. Both are bounded, so a turn never hangs.
"""

from attrs import define, field

TOOL_S = 660.0
"""The CLI bounds its own tools (Bash: 600 s at most), and says nothing while one runs."""

RETRIES_S = 600.0
"""Announced retries are life, but not for longer than this without anything else."""


@define
class SilenceWatch:
    """Of one turn: `deadline` moves with what its stream says.

    `limit` is the longest silence for which nothing accounts.
    """

    limit: float
    last_line_at: float
    """When the stream said something last, retries not counted."""
    retry_until: float = 0.0
    tools: set[str] = field(factory=set)
    """Calls without an answer yet."""

    def note_line(self, now: float) -> None:
        """Note that the stream said something."""
        self.last_line_at, self.retry_until = now, 0.0

    def note_retry(self, now: float, delay: float) -> None:
        """Note that the CLI said it will ask its API again after `delay` seconds."""
        self.retry_until = now + delay + self.limit

    @property
    def deadline(self) -> float:
        """When the turn is to be ended as silent."""
        silence = self.limit + (TOOL_S if self.tools else 0.0)
        retries = min(self.retry_until, self.last_line_at + self.limit + RETRIES_S)
        return max(self.last_line_at + silence, retries)
