"""The export of the ledger: every line, exact amounts, and nothing a spreadsheet would run."""

import csv

import pytest
from django.conf import settings
from django.db import transaction
from django.test import AsyncClient

from accounts import ledger, ledger_export
from tests.receipts import DOLLAR, finished, fund

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def moved(transactional_db, alice, bob) -> None:
    fund(alice, 10)
    with transaction.atomic():
        ledger.top_up(alice.team, by=alice.user, key="x", amount_nanousd=DOLLAR, note="=HYPERLINK(1)")
    finished(bob, 1_500_000)


async def exported(caller) -> list[dict[str, str]]:
    browser = AsyncClient()
    await browser.aforce_login(caller.user, backend=settings.AUTHENTICATION_BACKENDS[0])
    answer = await browser.get("/keys/ledger.csv")
    text = b"".join([part async for part in answer.streaming_content]).decode()
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(text.splitlines()))


async def test_whole_ledger_is_exported_with_the_credit_after_each_line(moved, alice, monkeypatch):
    monkeypatch.setattr(ledger_export, "PART", 3)  # in several parts

    rows = await exported(alice)

    assert [row["what"] for row in rows] == ["settled", "held", "top-up", "top-up"]
    assert [row["credit_after_usd"] for row in rows] == ["10.9985", "10.9885", "11.00", "10.00"]


async def test_formula_in_a_note_stays_text(moved, alice):
    rows = await exported(alice)

    assert rows[2]["from"] == "'=HYPERLINK(1)"


async def test_member_exports_their_own_requests(moved, bob):
    rows = await exported(bob)

    assert [(row["what"], row["change_usd"], row["credit_after_usd"]) for row in rows] == [("settled", "-0.0015", "")]


async def test_viewer_exports_nothing_of_others(moved, vera):
    assert await exported(vera) == []
