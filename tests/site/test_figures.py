"""How counts, measures, durations and model ids read on a page."""

import pytest

from emma18_site.templatetags.figures import compact, figure, scale, took
from emma18_site.templatetags.model_ids import bare, maker


@pytest.mark.parametrize(
    ("count", "text"), [(None, "–"), (0, "0"), (9_999, "9,999"), (18_204, "18.2k"), (41_200_000, "41.2M")]
)
def test_large_counts_are_shortened(count, text):
    assert compact(count) == text


@pytest.mark.parametrize(
    ("amount", "measure", "text"),
    [(4_200_000, "spend", "$0.0042"), (18_204, "requests", "18,204"), (18_204, "tokens", "18.2k")],
)
def test_figure_reads_as_what_it_measures(amount, measure, text):
    assert figure(amount, measure) == text


@pytest.mark.parametrize(
    ("amount", "measure", "text"),
    [
        (16 * 10**9, "spend", "$16"),
        (1_500_000_000, "spend", "$1.50"),
        (2_500_000, "spend", "$0.0025"),
        (150_000, "tokens", "150k"),
        (2_500_000, "requests", "2.5M"),
        (500, "requests", "500"),
    ],
)
def test_scale_of_a_chart_has_no_digit_more_than_it_takes(amount, measure, text):
    assert scale(amount, measure) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, "–"), (12, "12 ms"), (810, "0.81 s"), (9_400, "9.4 s"), (134_000, "2 min 14 s")],
)
def test_durations_are_told_in_the_unit_that_fits(ms, text):
    assert took(ms) == text


@pytest.mark.parametrize(
    ("model_id", "parts"),
    [("anthropic/claude", ("anthropic/", "claude")), ("GLM5.1", ("", "GLM5.1")), ("a/b/c", ("a/b/", "c"))],
)
def test_model_id_has_a_maker_and_a_name(model_id, parts):
    assert (maker(model_id), bare(model_id)) == parts
