"""The bench itself: that it runs and measures, never how fast anything is."""

import os

from django.core.management import call_command


def test_every_page_of_the_catalog_is_answered_and_measured(capsys):
    url = os.environ.get("EMMA18_DATABASE_URL", "")

    call_command("bench", "catalog", "--receipts", "200", "--rounds", "2", "--database-url", url)

    printed = capsys.readouterr().out
    assert "first rows, whole page" in printed
    assert printed.count(" ms median") == 7
