"""When a harness that looks alive must be restarted."""

import pytest

from hive.agents.serve import REPORT_SILENCE_S, View, alarm


@pytest.mark.parametrize(
    ("view", "alarmed"),
    [
        (View(connected=True, queued=0, stuck_for=0, report_age=1), False),
        (View(connected=True, queued=3, stuck_for=59, report_age=1), False),
        (View(connected=True, queued=3, stuck_for=61, report_age=1), True),
        (View(connected=True, queued=0, stuck_for=0, report_age=None), False),
        (View(connected=True, queued=0, stuck_for=0, report_age=REPORT_SILENCE_S + 1), True),
        (View(connected=False, queued=3, stuck_for=999, report_age=999), False),
    ],
)
def test_alarm(view: View, alarmed: bool) -> None:
    assert (alarm(view, after=60) is not None) == alarmed
