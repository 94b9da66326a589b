"""Schedules: listed, decided on, fired, edited and cancelled by the operator."""

from hive.operator.handlers import Act, Table, act, read
from hive.schedules import ScheduleService
from hive.wire.schedules import EditSchedule, GetSchedules, ResolveSchedule, ScheduleList


def table(schedules: ScheduleService) -> Table:
    """What the operator may ask about schedules, and do with them."""

    async def listed(asked: GetSchedules) -> ScheduleList:
        return ScheduleList(await schedules.listed(None, asked.limit, ended=asked.ended))

    return {
        GetSchedules: read(listed),
        ResolveSchedule: act(
            schedules.resolve, lambda one: Act(one.action, f"schedule {one.id}", one.reason or "")
        ),
        EditSchedule: act(schedules.edit, _edit),
    }


def _edit(one: EditSchedule) -> Act:
    given = (one.cron or one.every_s, one.zone, one.to and " ".join(one.to), one.text)
    return Act("edit", f"schedule {one.id}", " ".join(str(part) for part in given if part))
