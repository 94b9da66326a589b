"""Deadlines and bounds of a link."""

from attrs import frozen


@frozen
class LinkLimits:
    """Times in seconds, sizes in bytes; the defaults are those of production."""

    hello: float = 5.0
    """From the connection until its hello (or its welcome) must be there."""
    ping_every: float = 10.0
    """From one ping, or its pong, to the next ping."""
    ping_deadline: float = 10.0
    """A peer whose pong takes longer is stuck or stopped: the link closes."""
    stall: float = 10.0
    """A peer that reads nothing for so long while we have something to say is dropped."""
    close: float = 0.5
    """For the goodbye; whoever does not answer it in time is cut off."""
    handlers: int = 64
    """Requests of the peer that may be in work at once; more are answered with `busy`."""
    connections: int = 64
    """Connections that one socket serves at once; more are refused."""
    buffer: int = 1 << 20
    """Bytes that wait for the peer to read before senders have to wait too."""
    overflow: int = 1 << 20
    """Bytes of answers that never wait (refusals, pongs) on top of `buffer`; then the link ends."""
