"""What the background workers do by the clock."""

import threading
from datetime import timedelta
from pydoc import locate

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import Schedule

from emma18_site import clusters

pytestmark = pytest.mark.django_db


def test_periodic_jobs_are_there_by_the_names_they_are_queued_under():
    assert all(callable(locate(periodic.job)) for periodic in clusters.PERIODIC)


def test_what_is_done_every_minute_begins_at_once_and_a_restart_puts_nothing_off():
    clusters.schedule()
    first = dict(Schedule.objects.values_list("name", "next_run"))
    clusters.schedule()

    assert dict(Schedule.objects.values_list("name", "next_run")) == first
    assert first["video sweep"] <= timezone.now() < first["catalog sync"] <= timezone.now() + timedelta(hours=1)
    assert Schedule.objects.count() == len(clusters.PERIODIC)


def test_what_is_scheduled_twice_or_no_longer_periodic_is_taken_away():
    clusters.schedule()
    for name in ("catalog sync", "of an older version"):
        Schedule.objects.create(name=name, func="catalog.jobs.sync_all", schedule_type=Schedule.MINUTES)

    clusters.schedule()

    scheduled = sorted(Schedule.objects.values_list("name", flat=True))
    assert scheduled == sorted(periodic.name for periodic in clusters.PERIODIC)


class ThreeRounds:
    """A life of a cluster that is over after three looks."""

    pid, works = 0, True

    def __init__(self) -> None:
        self.rounds = 0

    def is_over(self, within_s: float = 0) -> bool:
        self.rounds += 1
        return self.rounds > 3


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_watcher_connects_anew_once_the_database_has_ended_its_connection(monkeypatch, caplog):
    def comes_back(*_of: object) -> bool:
        if life.rounds == 1:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return True

    life = ThreeRounds()
    monkeypatch.setattr(clusters, "_comes_back", comes_back)
    watching = threading.Thread(target=clusters._watch, args=("default", life))
    watching.start()
    watching.join(20)

    assert life.rounds == 4
    assert [record.message for record in caplog.records if "watched" in record.message] == ["workers not watched"]
