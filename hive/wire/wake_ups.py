"""Wake-ups: what an agent orders for its own next turn."""

from attrs import frozen


@frozen
class RequestNextTurn:
    """Wake the agent once more when this turn has ended; once, however often it is asked for."""

    reason: str


@frozen
class Wake:
    """A message from the agent to itself, by whatever runs in its container and calls itself
    `label`; answered with `Sent`.
    """

    label: str
    text: str
    key: str | None = None


FromAgent = RequestNextTurn | Wake
