"""The daemon as a whole: how it is, and its end."""

from collections.abc import Callable

from hive.operator.handlers import Act, Table, act, read
from hive.wire.daemon import Down, GetStatus, Status


def page_table(status: Callable[[], Status]) -> Table:
    """What the page may ask."""

    async def whole(_: GetStatus) -> Status:
        return status()

    return {GetStatus: read(whole)}


def table(status: Callable[[], Status], stop_all: Callable[[], None]) -> Table:
    """What the operator may ask and do; `stop_all` ends the hive and its containers."""

    async def down(_: Down) -> None:
        """Do nothing yet: the hive stops once this act is in the audit."""

    words = Act("down", "the hive")
    return {**page_table(status), Down: act(down, lambda _: words, once_recorded=stop_all)}
