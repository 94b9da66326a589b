"""When a harness that looks alive must be restarted."""

import pytest

from hive.agents.serve import WorkProgress, why_stuck


@pytest.mark.parametrize(
    ("progress", "alarmed"),
    [
        (WorkProgress(connected=True, queued=0, stuck_for=0), False),
        (WorkProgress(connected=True, queued=3, stuck_for=59), False),
        (WorkProgress(connected=True, queued=3, stuck_for=61), True),
        (WorkProgress(connected=False, queued=3, stuck_for=999), False),
    ],
)
def test_alarm(progress: WorkProgress, alarmed: bool) -> None:
    assert (why_stuck(progress, after=60) is not None) == alarmed
