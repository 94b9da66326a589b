"""Why an agent must not take work for now: what gates and budgets have to say to it."""

from attrs import frozen

from hive.wire import DEFAULT_CREDENTIAL, Condition


@frozen
class Hold:
    """`until` in epoch seconds, None when only somebody's act ends it."""

    condition: Condition
    reason: str
    until: float | None = None
    credential: str = DEFAULT_CREDENTIAL
