"""When a harness that looks alive must be restarted."""

import pytest

from hive.agents.serve import View, alarm


@pytest.mark.parametrize(
    ("view", "alarmed"),
    [
        (View(connected=True, queued=0, stuck_for=0), False),
        (View(connected=True, queued=3, stuck_for=59), False),
        (View(connected=True, queued=3, stuck_for=61), True),
        (View(connected=False, queued=3, stuck_for=999), False),
    ],
)
def test_alarm(view: View, alarmed: bool) -> None:
    assert (alarm(view, after=60) is not None) == alarmed
