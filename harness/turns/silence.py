"""How long a turn may be silent. Pure; all times are seconds of one clock.

Each line of the stream is a sign of life. Two silences are no fault: that of a tool that runs, and
that of the CLI while it waits to ask its API again. Both are bounded, so a turn never hangs.
"""

from attrs import define, field

TOOL_S = 660.0
"""Added while a tool runs: the CLI bounds its own (Bash: 600 s), and says nothing meanwhile."""

RETRIES_S = 600.0
"""How long announced retries count as life, when the stream says nothing else."""


@define
class SilenceWatch:
    """When one turn has been silent for too long: `deadline` moves with what its stream says."""

    limit: float
    """The longest silence, in seconds, that nothing accounts for."""
    last_line_at: float
    """When the stream said something last, retries not counted."""
    retry_until: float = 0.0
    """Until when the announced retry accounts for silence."""
    tools: set[str] = field(factory=set)
    """Ids of the tool calls that have no answer yet."""

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
