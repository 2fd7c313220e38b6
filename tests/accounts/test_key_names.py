"""Names of keys in scripts that run from right to left, beside the end of the key."""

import pytest

from accounts import csv_cells, key_names, keys
from tests.conftest import signed_in
from tests.receipts import finished, fund

ARABIC = "مفتاح الإنتاج"


@pytest.mark.parametrize("name", [ARABIC, "מפתח", "laptop של"])
def test_a_name_from_right_to_left_is_set_apart_from_what_follows(name):
    label = key_names.labelled(name, "3aI7")

    assert label == f"\u2068{name}\u2069 …3aI7"
    assert csv_cells.text(label) == f"{name} …3aI7"


@pytest.mark.parametrize("name", ["ci-nightly", "密钥", "clé 3"])
def test_any_other_name_stays_as_it_is(name):
    assert key_names.labelled(name, "3aI7") == f"{name} …3aI7"


def test_pages_set_it_apart(alice):
    fund(alice, 1)
    row, _ = keys.issue(alice, name=ARABIC)
    finished(alice, 10**6, key=row)
    browser = signed_in(alice)

    assert f"<bdi>{ARABIC}</bdi>" in browser.get("/keys/").text
    for path in ("/keys/", "/usage/?by=key", "/usage/requests/", "/models/", "/team/"):
        assert f"\u2068{ARABIC}\u2069 …{row.last_four}" in browser.get(path).text, path
