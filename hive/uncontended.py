"""Locks that cost no turn of the scheduler while nobody else holds them.

Trio's own `acquire` always takes one, which is fair. Between a message and the agent that it wakes
each such turn runs everything else that is ready first.
"""

import trio


async def acquire(lock: trio.Lock | trio.Semaphore) -> None:
    """Acquire a lock, and let other tasks run only while it is taken.

    When this is cancelled, the lock is not acquired.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        lock.acquire_nowait()
    except trio.WouldBlock:
        await lock.acquire()
