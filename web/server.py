"""The web process: listener, upstream and an end that says goodbye first."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio
from hypercorn.config import Config

from hive import logs
from hive.address import Address
from hive.clock import LoopClock
from hive.output import Output
from web import assets, hardened
from web.app import create_app
from web.state import PageState
from web.upstream import Upstream

GOODBYE = 0.3
"""Seconds for open pages to be told that we leave."""

GRACE = 0.5
"""Seconds for requests in progress, after the goodbye."""


async def serve(
    upstream_path: Path,
    listener: socket.socket,
    *,
    lifeline: int | None = None,
    ready: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve the page until a signal to stop or the end of the file descriptor `lifeline`.

    `ready` is called with the page's URL. Raises assets.NotBuilt, OSError when it cannot listen.
    """
    state = PageState()
    upstream = Upstream(upstream_path, state)
    app = create_app(state, upstream, assets.load())
    url = f"http://{Address(*listener.getsockname()[:2])}/"
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    config.errorlog = logging.getLogger("hypercorn.error")  # by our way to the log, not beside it
    config.graceful_timeout = GRACE
    config.websocket_max_message_size = 64 * 1024
    stop, shut = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signal, stop)
        if lifeline is not None:
            nursery.start_soon(_stop_at_eof, lifeline, stop)
        nursery.start_soon(upstream.follow)
        async with trio.open_nursery() as server:
            await server.start(partial(hardened.serve, app, config, shutdown_trigger=shut.wait))
            ready(url)
            await stop.wait()
            state.drain()
            with trio.move_on_after(GOODBYE):
                await state.wait_viewers(some=False)
            shut.set()
        nursery.cancel_scope.cancel()


async def _stop_on_signal(stop: trio.Event) -> None:
    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        numbers.append(signal.SIGHUP)
    with trio.open_signal_receiver(*numbers) as signals:
        async for _ in signals:
            stop.set()


async def _stop_at_eof(lifeline: int, stop: trio.Event) -> None:
    """Stop at the end of `lifeline`; answer what comes with an empty line: this loop runs."""
    async with trio.lowlevel.FdStream(os.dup(lifeline)) as stream:
        try:
            while await stream.receive_some():
                print(flush=True)
        except (trio.BrokenResourceError, OSError):
            pass
    stop.set()


def run(path: Path, listener: socket.socket, *, lifeline: bool) -> None:
    """Serve the page until the process is told to stop; says on standard output where it is.

    `path` is the daemon's web socket. With `lifeline` the end of standard input stops it, too.
    Raises assets.NotBuilt.
    """
    logs.set_up("hive web: %(message)s", level=logging.WARNING)
    say = Output(1)
    trio.run(
        partial(
            serve,
            path,
            listener,
            lifeline=sys.stdin.fileno() if lifeline else None,
            ready=lambda url: say(f"hive web: {url}"),
        ),
        clock=LoopClock(),
    )
    say.flush()
