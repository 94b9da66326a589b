"""Who waits at a gate, as far as its decisions need to know."""

from attrs import frozen


@frozen
class Client:
    """An agent that uses the credential.

    `model` is the configured one (None: the CLI's own choice), `queued` how many messages wait for
    it, `waiting_since` (epoch seconds) since when, `busy` whether it is in a turn.
    """

    name: str
    model: str | None = None
    queued: int = 0
    waiting_since: float | None = None
    busy: bool = False

    @property
    def turn_in_line(self) -> tuple[bool, float, str]:
        """Sorts by how long they wait; who does not say since when comes last."""
        since = self.waiting_since
        return since is None, since or 0.0, self.name
