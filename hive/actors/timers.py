"""Timers that end with their actor."""

from __future__ import annotations

from collections.abc import Callable

import trio


class Timer:
    """A running timer; cancel() has effect at once, what is in the mailbox already stays."""

    def __init__(self) -> None:
        self._scope = trio.CancelScope()

    def cancel(self) -> None:
        """Send nothing any more."""
        self._scope.cancel("timer cancelled")

    async def run(self, send: Callable[[], None], delay: float, repeat: bool) -> None:
        """Sleep and send; for start_timer."""
        with self._scope:
            due = trio.current_time() + delay
            await trio.sleep_until(due)
            send()
            while repeat:
                due = max(due + delay, trio.current_time())
                await trio.sleep_until(due)
                send()


def start_timer(
    nursery: trio.Nursery, send: Callable[[], None], delay: float, *, repeat: bool = False
) -> Timer:
    """Call `send` in `delay` seconds, or each `delay` seconds; raises ValueError."""
    if delay < 0 or (repeat and delay == 0):
        raise ValueError(f"delay is {delay}; allowed: 0 or more, above 0 when it repeats")
    timer = Timer()
    nursery.start_soon(timer.run, send, delay, repeat, name="timer")
    return timer
