"""Wake-ups: messages by which an agent has itself woken for another turn."""

from attrs import frozen


@frozen
class RequestNextTurn:
    """Wake the agent once more when this turn has ended, however often it is asked for."""

    reason: str


@frozen
class Wake:
    """Send the agent a message from itself; answered with `Sent`.

    Whatever runs in its container may ask for it, and calls itself `label`. The same `key` again
    sends nothing and gives the first id.
    """

    label: str
    text: str
    key: str | None = None


FromAgent = RequestNextTurn | Wake
