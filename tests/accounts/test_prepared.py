"""Queries that are compiled once and asked again and again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import Team
from accounts.prepared import Prepared

pytestmark = pytest.mark.django_db


def test_takes_moments_and_gives_back_moments_and_booleans(alice):
    since = Prepared(
        lambda at: Team.objects.filter(created_at__gt=at).values_list("name", "may_use_unpriced", "created_at"),
        at=datetime(1918, 1, 1, tzinfo=UTC),
    )

    rows = since.rows(at=timezone.now() - timedelta(hours=1))

    assert rows == [(alice.team.name, alice.team.may_use_unpriced, alice.team.created_at)]
    assert type(rows[0][1]) is bool
    assert since.rows(at=timezone.now() + timedelta(hours=1)) == []
