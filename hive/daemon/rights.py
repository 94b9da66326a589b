"""To whom an agent may send: the operator says so, the audit keeps it, the broker enforces it."""

from hive.daemon.hive import Hive
from hive.wire import SetRights


async def set_rights(hive: Hive, who: str, body: SetRights) -> None:
    """Do it; raises NoSuchAgent, ValueError, StoreError."""
    hive.fleet.record(body.name)
    await hive.audit.record(who, "rights", body.name, described(body.may_send) or "to all")
    await hive.fleet.allow(body.name, body.may_send)


def described(may_send: tuple[str, ...] | None) -> str:
    """For the audit; empty without a limit."""
    return "" if may_send is None else f"may send to {' '.join(may_send) or 'nobody else'}"
