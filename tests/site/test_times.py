"""How moments read on pages."""

from datetime import timedelta

import pytest
from django.utils import timezone

from emma18_site.templatetags.times import ago


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        pytest.param(timedelta(seconds=-2), "just now", id="a clock slightly ahead"),
        pytest.param(timedelta(seconds=59), "just now", id="seconds"),
        pytest.param(timedelta(seconds=60), "1 min ago", id="a minute"),
        pytest.param(timedelta(minutes=59, seconds=59), "59 min ago", id="minutes"),
        pytest.param(timedelta(hours=23), "23 h ago", id="hours"),
        pytest.param(timedelta(hours=24), "1 day ago", id="a day"),
        pytest.param(timedelta(days=6), "6 days ago", id="days"),
    ],
)
def test_near_moments_read_as_a_distance(passed: timedelta, words: str) -> None:
    assert ago(timezone.now() - passed) == words


def test_far_moments_read_as_a_date_with_the_year_when_it_is_another() -> None:
    moment = timezone.now() - timedelta(days=800)

    assert ago(moment) == f"{moment.day} {moment:%b %Y}"
