"""The queue of background jobs: what it takes, and what becomes of jobs whose worker died."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.models import Failure, OrmQ, Task
from django_q.tasks import async_task

from accounts import heartbeats, queue
from accounts.models import Heartbeat, Run

pytestmark = pytest.mark.django_db
JOB = "accounts.jobs.beat"


@pytest.fixture
def taken() -> OrmQ:
    """A job that a worker has begun."""
    async_task(JOB, 1)
    row = OrmQ.objects.get()
    OrmQ.objects.update(lock=timezone.now() + timedelta(minutes=10))
    queue.note_start(row.task | {"ack_id": row.pk}, cluster="default")
    return row


@pytest.mark.parametrize("argument", ["sk-secret", {"prompt": "Hello!"}, None, True, 1.5])
def test_queue_takes_ids_and_nothing_else(argument):
    with pytest.raises(TypeError):
        async_task(JOB, argument)
    with pytest.raises(TypeError):
        async_task(JOB, pk=argument)

    assert not OrmQ.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_job_is_queued_when_what_it_is_about_is_committed():
    with transaction.atomic():
        queue.enqueue(JOB, 7)
        assert not OrmQ.objects.exists()

    assert [(row.key, row.func(), row.args()) for row in OrmQ.objects.all()] == [("default", JOB, (7,))]


@pytest.mark.django_db(transaction=True)
def test_job_of_what_was_not_committed_is_not_queued():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        queue.enqueue(JOB, 7)
        _ = 1 / 0

    assert not OrmQ.objects.exists()


def test_job_whose_worker_died_is_handed_out_again_at_once(taken):
    assert (queue.waiting("default"), queue.running("default")) == (0, 1)

    queue.release("default")

    assert (queue.waiting("default"), queue.running("default")) == (1, 0)


def test_job_that_ended_its_worker_five_times_is_given_up(taken):
    for _ in range(4):
        queue.note_start(taken.task, cluster="default")

    queue.release("default")

    assert not OrmQ.objects.exists()
    assert not Run.objects.exists()


def test_release_leaves_other_clusters_alone(taken):
    queue.release("videos")

    assert (queue.waiting("default"), queue.running("default")) == (0, 1)


def test_failures_are_forgotten_after_two_weeks():
    for name, days in (("old", 15), ("new", 13)):
        then = timezone.now() - timedelta(days=days)
        Task.objects.create(id=name, name=name, func=JOB, started=then, stopped=then, success=False)

    queue.forget_failures()

    assert [failure.name for failure in Failure.objects.all()] == ["new"]


def test_workers_are_as_fresh_as_the_cluster_heard_of_longest_ago(settings):
    settings.JOB_CLUSTERS = settings.JOB_CLUSTERS | {"videos": {"workers": 1}}
    for name, minutes in (("default", 0), ("videos", 9), ("gone", 99)):
        Heartbeat.objects.create(cluster=name, seen_at=timezone.now() - timedelta(minutes=minutes))

    state = heartbeats.state()

    assert state.is_down
    assert state.seen_at == Heartbeat.objects.get(cluster="videos").seen_at


def test_beats_do_not_pile_up_where_nobody_takes_them(django_capture_on_commit_callbacks):
    for _ in range(20):
        with django_capture_on_commit_callbacks(execute=True):
            heartbeats.ask("default")

    assert OrmQ.objects.count() == heartbeats.MOST_BEATS_WAITING
