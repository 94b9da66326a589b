"""Why a schedule is refused; `code` is stable, the text is for whoever asked."""

from hive.broker import BrokerError


class BadSchedule(BrokerError):
    """A field of it cannot be."""

    code = "bad_schedule"


class TooManySchedules(BrokerError):
    """The agent has too many."""

    code = "too_many_schedules"


class NoSuchSchedule(BrokerError):
    """There is none of that number in a state in which this could be done."""

    code = "no_such_schedule"
