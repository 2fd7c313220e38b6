"""The export of usage: exact amounts, the page's filters, and nothing a spreadsheet would run."""

import csv

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import AsyncClient

from accounts import csv_cells, keys
from tests.receipts import DOLLAR, finished, fund

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def funded(transactional_db, alice):
    fund(alice)


async def exported(caller, **words) -> list[dict[str, str]]:
    browser = AsyncClient()
    await browser.aforce_login(caller.user, backend=settings.AUTHENTICATION_BACKENDS[0])
    answer = await browser.get("/usage/export.csv", words)
    text = b"".join([part async for part in answer.streaming_content]).decode()
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(text.splitlines()))


async def test_amounts_are_exact_dollars(funded, alice):
    await sync_to_async(finished)(alice, 12_345)

    [row] = await exported(alice)

    assert (row["spent_usd"], row["requests"], row["tokens_in"]) == ("0.000012345", "1", "3118")


async def test_export_holds_what_the_page_shows(funded, alice, bob):
    await sync_to_async(finished)(alice, DOLLAR, model_id="small")
    await sync_to_async(finished)(bob, 2 * DOLLAR, model_id="large")
    await sync_to_async(finished)(bob, 4 * DOLLAR, model_id="large", days_ago=60)

    assert [row["member"] for row in await exported(alice)] == ["alice", "bob"]
    assert [row["spent_usd"] for row in await exported(alice, range="90d", model="large")] == ["4.00", "2.00"]
    assert [row["member"] for row in await exported(bob)] == ["bob"]


async def test_name_that_a_spreadsheet_would_run_stays_text(funded, alice):
    key = (await sync_to_async(keys.issue)(alice, name="=HYPERLINK(1)"))[0]
    await sync_to_async(finished)(alice, key=key, model_id="+1", provider="@sum")

    [row] = await exported(alice)

    assert (row["key"][0], row["model"], row["provider"]) == ("'", "'+1", "'@sum")


async def test_team_without_usage_exports_the_heading(funded, alice):
    assert await exported(alice) == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_cell_that_begins_as_a_formula_is_marked_as_text(start):
    assert csv_cells.text(f"{start}1") == f"'{start}1"


@pytest.mark.parametrize("text", ["alice", "a=b", "", "'quoted"])
def test_other_cells_stay_as_they_are(text):
    assert csv_cells.text(text) == text
