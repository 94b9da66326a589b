"""One incarnation of a child: its own scope, with the guard outside of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType

import trio

from hive.supervisors.context import Context


class _Guard:
    """Keeps whatever leaves the block.

    Also a Cancelled: out of a shielded scope of our own can only come a stray one from elsewhere,
    a failure of the child like any other, and nothing that an outer scope waits for.
    """

    error: BaseException | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> bool:
        self.error = error
        return not isinstance(error, GeneratorExit)  # the interpreter's own, on teardown


async def host(
    start: Callable[[Context], Awaitable[None]],
    ctx: Context,
    scope: trio.CancelScope,
    on_exit: Callable[[BaseException | None], None],
) -> None:
    """Run the child in `scope` (shielded: only its supervisor cancels it) and report its end.

    The guard is outside the scope, or a crash in the child's cleanup would go unseen.
    """
    guard = _Guard()
    with guard, scope:
        await start(ctx)
    on_exit(guard.error)
