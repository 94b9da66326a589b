"""The gates of credentials: looked at, held and released by the operator."""

from hive.gate import GateService
from hive.operator.handlers import Act, Table, act, read
from hive.wire.gates import GateCommand, Gates, GetGates


def table(gates: GateService) -> Table:
    """What the operator may ask about gates, and do with them."""

    async def statuses(_: GetGates) -> Gates:
        return Gates(gates.statuses())

    return {GetGates: read(statuses), GateCommand: act(gates.command, _command)}


def _command(one: GateCommand) -> Act:
    detail = " ".join(filter(None, (one.bucket, one.reason)))
    return Act(f"gate {one.action}", one.credential, detail)
