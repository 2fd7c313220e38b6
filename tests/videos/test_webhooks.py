"""News to a caller's address: signed, in order of what happened, and again until they are taken."""

import json
import time

import pytest

from tests.video_provider import running_hook
from tests.videos.conftest import T2V, let_pass
from videos import webhooks
from videos.models import Webhook


@pytest.fixture
def hook():
    with running_hook() as running:
        yield running


def test_each_change_is_told_and_signed(program, connected, provider, hook, team):
    program.create({**T2V, "callback_url": hook.url, "metadata": {"shot": "12"}})
    let_pass()
    provider.make("running")
    let_pass()
    provider.make()
    let_pass()

    assert hook.states == ["running", "succeeded"]
    headers, body = hook.received[-1]
    moment = int(headers["x-emma18-signature"].partition(",")[0].removeprefix("t="))
    secret = program.client.get("/api/v1/video/seedance/webhook-secret").json()["secret"]
    assert headers["x-emma18-signature"] == webhooks.signature(secret, body, at=moment)
    assert abs(time.time() - moment) < 60
    assert json.loads(body)["metadata"] == {"shot": "12"} and headers["x-emma18-event"] == "video.task.succeeded"


def test_what_is_not_taken_is_sent_again_and_in_the_end_given_up(program, connected, provider, hook):
    hook.status = 503
    program.create({**T2V, "callback_url": hook.url})
    let_pass()
    provider.make("failed")
    for _ in range(10):
        let_pass()

    owed = Webhook.objects.get()
    assert (len(hook.received), owed.attempts, owed.next_at, owed.taken_at) == (7, 7, None, None)


def test_a_second_team_has_another_secret(alice, charlie):
    assert webhooks.secret(alice.team) != webhooks.secret(charlie.team)
