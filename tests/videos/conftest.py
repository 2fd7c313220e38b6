"""A team with money and a provider of clips that nothing calls by itself."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client

from accounts import ledger, vault
from accounts.callers import Caller
from accounts.models import Provider, Team
from catalog import implied, sync
from tests.video_provider import KEY, VideoProvider, running_video_provider
from videos import sweep
from videos.models import Lane, VideoTask, Webhook
from videos.modes import SEEDANCE

TASKS = "/api/v1/video/seedance/tasks"
ARK_TASKS = "/api/v3/contents/generations/tasks"
T2V = {"mode": "t2v", "prompt": "A drone over snowy mountains at sunrise", "model": SEEDANCE}
STORYBOARD = {**T2V, "model": "embedded/storyboard"}


class Program:
    """A program that holds an access key."""

    def __init__(self, key: str, path: str = TASKS) -> None:
        self.path = path
        self.client = Client(headers={"authorization": f"Bearer {key}"})

    def create(self, body: Any = T2V, key: str = "") -> Any:
        content = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"idempotency-key": key} if key else {}
        return self.client.post(self.path, content, content_type="application/json", headers=headers)

    def get(self, public_id: str = "", **query: Any) -> Any:
        return self.client.get(f"{self.path}/{public_id}".rstrip("/"), query)

    def delete(self, public_id: str) -> Any:
        return self.client.delete(f"{self.path}/{public_id}")

    def cancel(self, public_id: str) -> Any:
        return self.client.post(f"{self.path}/{public_id}/cancel")


@pytest.fixture
def funded(alice: Caller) -> Caller:
    with transaction.atomic():
        ledger.top_up(alice.team, by=alice.user, key="scene", amount_nanousd=1000 * 10**9)
    return alice


def keep(team: Team, kind: Provider.Kind, *, name: str, base_url: str, api_key: str = KEY) -> Provider:
    """A provider as it is kept once it was connected; nobody asks it."""
    provider = vault.store(team, kind=kind, name=name, base_url=base_url, api_key=api_key)
    sync.apply(provider, implied.models(kind, base_url))
    return provider


@pytest.fixture
def ark(funded: Caller) -> Provider:
    base_url = "http://127.0.0.1:9/api/v3"
    return keep(funded.team, Provider.Kind.ARK, name="Ark", base_url=base_url, api_key="ark-key-of-a-test")


@pytest.fixture
def program(funded: Caller, access_key: str) -> Program:
    return Program(access_key)


@pytest.fixture
def provider() -> Iterator[VideoProvider]:
    with running_video_provider() as running:
        yield running


@pytest.fixture
def connected(funded: Caller, provider: VideoProvider) -> Provider:
    """The scripted provider, as the team's Ark."""
    return keep(funded.team, Provider.Kind.ARK, name="Ark", base_url=provider.base_url)


@pytest.fixture
def emma18(funded: Caller, provider: VideoProvider) -> Provider:
    """The scripted provider, as another EMMA18."""
    return keep(funded.team, Provider.Kind.EMMA18, name="Other", base_url=provider.base_url)


def let_pass(span: timedelta = timedelta(0)) -> None:
    """Let time pass for all that waits, and the sweep do what is due by then."""
    moments = ("sent_at", "created_at", "deadline_at")
    VideoTask.objects.filter(state__in=VideoTask.OPEN).update(
        next_step_at=Now(), lease_until=None, **{name: F(name) - span for name in moments}
    )
    Webhook.objects.filter(next_at__isnull=False).update(next_at=Now())
    Lane.objects.update(next_at=None)
    sweep.run()


def the_only_task() -> VideoTask:
    return VideoTask.objects.get()
