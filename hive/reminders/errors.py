"""Why a reminder or schedule is refused; `code` is stable, the text is for whoever asked."""

from hive.broker import BrokerError


class BadReminder(BrokerError):
    """A field of it cannot be."""

    code = "bad_reminder"


class TooManyReminders(BrokerError):
    """The agent has, or sets, too many."""

    code = "too_many_reminders"


class NoSuchReminder(BrokerError):
    """The one who asks has none of that number in a state in which this could be done."""

    code = "no_such_reminder"
