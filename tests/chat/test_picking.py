"""The composer's choice of a model: a page of bounded size, and a search for the rest."""

import gzip

import pytest

from catalog import sync
from tests.catalog.test_models_page import lab, listed, signed_in  # noqa: F401

pytestmark = pytest.mark.django_db


def test_a_provider_of_9000_models_leaves_the_playground_small(alice, lab):  # noqa: F811
    sync.apply(lab, [listed(f"many/model-{number:04}") for number in range(9000)])

    page = signed_in(alice).get("/chat/?model=many/model-8765")

    assert page.content.count(b"<option") == 60
    assert b'value="many/model-8765"\n' in page.content
    assert b" more under Models" in page.content
    assert len(gzip.compress(page.content)) < 60_000


def test_one_that_is_not_on_the_page_is_found_by_its_name(alice, lab):  # noqa: F811
    sync.apply(lab, [listed(f"many/model-{number:04}") for number in range(200)])
    browser = signed_in(alice)

    assert b'data-value="many/model-0199"' in browser.get("/chat/models/?q=model-0199").content
    assert b"160 more" in browser.get("/chat/models/?q=many").content
    assert b"No model fits" in browser.get("/chat/models/?q=nothing+of+the+kind").content


def test_one_that_cannot_be_called_says_why(alice):
    found = signed_in(alice).get("/chat/models/?q=moonshotai/kimi-k2.6").content

    assert b'aria-disabled="true"' in found
    assert b"No provider" in found
