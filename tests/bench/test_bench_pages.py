"""The bench itself: that it runs and counts, never how fast anything is."""

import os

from django.core.management import call_command


def test_every_page_of_the_bench_is_answered_and_measured(capsys):
    url = os.environ.get("EMMA18_DATABASE_URL", "")

    call_command("bench", "pages", "--receipts", "2000", "--rounds", "2", "--database-url", url)

    printed = capsys.readouterr().out
    assert "2,000 receipts on" in printed
    assert printed.count("Usage, ") > 10 and printed.count("Requests, ") > 20
    assert printed.count("Ledger, ") > 5
    assert "FAILED" not in printed


def test_the_gallery_is_answered_and_measured_and_its_first_page_is_small(capsys):
    url = os.environ.get("EMMA18_DATABASE_URL", "")

    call_command("bench", "gallery", "--videos", "300", "--rounds", "2", "--database-url", url)

    printed = capsys.readouterr().out
    assert "300 videos on" in printed and printed.count("Gallery, ") > 15
    assert "gzipped, of 60,000, for 30 cards" in printed
    assert "FAILED" not in printed
