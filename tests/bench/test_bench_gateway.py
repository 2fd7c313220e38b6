"""The bench itself: that it runs and counts, never how fast anything is."""

import os

from django.core.management import call_command


def test_bench_without_peers_gives_figures_of_all_measures_and_fails_no_request(capsys):
    options = ["--rounds", "1", "--seconds", "0.2", "--streams", "2", "--without-peers"]

    call_command("bench", "gateway", *options, "--database-url", os.environ.get("EMMA18_DATABASE_URL", ""))

    printed = capsys.readouterr().out
    rows = {name: figures for name, *figures in map(str.split, filter(None, printed.splitlines()))}
    assert len(rows["EMMA18"]) == 10 and "-" not in rows["EMMA18"]
    assert len(rows["direct"]) == 10 and rows["direct"].count("-") == 5  # it adds nothing and has no process
    assert "requests were answered in full." in printed
    assert "this proves nothing about how EMMA18 compares" in printed
