"""A sink in a thread of its own: one that blocks then keeps no supervisor waiting."""

from __future__ import annotations

import queue
import threading

from hive.supervisors.events import Event, Sink, deliver

CAPACITY = 4096


class ThreadSink:
    """Hands events to `sink` in order, in a thread; while `capacity` wait, further ones are lost.

    `lost` counts them. Call close() at the end; a later event begins anew. The sink must not call a
    supervisor: Trio is in another thread.
    """

    def __init__(self, sink: Sink, *, capacity: int = CAPACITY) -> None:
        self.lost = 0
        self._sink = sink
        self._queue: queue.Queue[Event | None] = queue.Queue(capacity)
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="event-sink", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.lost += 1

    def close(self, timeout: float = 1.0) -> bool:
        """Wait until all is delivered, at most `timeout` seconds; whether it was."""
        if self._thread is None:
            return True
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return False
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        self._thread = None
        return True

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            deliver(self._sink, event)
