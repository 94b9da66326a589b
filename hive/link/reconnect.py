"""A link that is made again and again, for processes that outlive the other side.

Not among the names of `hive.link`: back-off is the supervisors', which the command line, whose
start should be quick, does not need.
"""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import trio

from hive.link.client import connect
from hive.link.errors import LinkClosed, LinkRefused
from hive.link.limits import LinkLimits
from hive.link.peer import Peer, Session
from hive.supervisors import Backoff
from hive.wire.frames import Hello, Welcome

RECONNECT = Backoff(initial=0.05, min=0.1, max=1.0, jitter=0.5, healthy_after=1.0)


async def keep_connected(
    path: Path,
    make_hello: Callable[[], Hello],
    use: Callable[[Peer, Welcome], Awaitable[object]],
    session: Session | None = None,
    *,
    backoff: Backoff = RECONNECT,
    failed: Callable[[Exception], object] = lambda _: None,
    limits: LinkLimits = LinkLimits(),  # noqa: B008 - frozen
) -> NoReturn:
    """Connect again and again, with growing waits in between.

    `use` runs with each link and should return when `peer.closed` is set; LinkClosed from it is
    the link's end, any other exception of it comes out. `failed` is called with the error of each
    attempt that failed and of each link that was lost.
    """
    failures = 0
    while True:
        began = trio.current_time()
        crashed: Exception | None = None
        try:
            async with connect(path, make_hello(), session, limits=limits) as (peer, welcome):
                try:
                    await use(peer, welcome)
                except LinkClosed as error:
                    failed(error)
                except Exception as error:  # not to be taken for a failed attempt below
                    crashed = error
        except (LinkRefused, OSError, trio.TooSlowError) as error:
            failed(error)
        if crashed is not None:
            raise crashed
        failures = backoff.failures_after(failures, trio.current_time() - began)
        await trio.sleep(backoff.delay(failures, random.random()))
