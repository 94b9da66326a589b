"""The numbers of a gate, in seconds."""

from attrs import field, frozen

from hive.supervisors import Backoff


@frozen
class GateSettings:
    """How long a closed gate waits, and how those who waited follow each other.

    `margin_s` is added to a reported reset, because clocks differ; a reset beyond `longest_limit_s`
    is not believed (no known window is longer than seven days). `unknown_reset` and `overloaded`
    (also for an API that is not reached) are the waits when nobody said until when, by the number
    of closures in a row. A probe must take
    work within `take_within_s`, and its turn get an answer within `answer_within_s`, or another one
    is chosen. `warning_s` is how long a warning without an end is shown.
    """

    margin_s: float = 5.0
    spacing_s: float = 3.0
    longest_limit_s: float = 8 * 86400.0
    unknown_reset: Backoff = field(default=Backoff(initial=60.0, min=120.0, max=3600.0, jitter=0.2))
    overloaded: Backoff = field(default=Backoff(initial=10.0, min=20.0, max=600.0, jitter=0.2))
    take_within_s: float = 120.0
    answer_within_s: float = 900.0
    warning_s: float = 3600.0
