"""Rendering of model output: finished blocks only once, and nothing in it comes to life."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat import markdown

HOSTILE = [
    "<script>window.__xss=1</script>",
    "<img src=x onerror=window.__xss=1>",
    "[press](javascript:window.__xss=1)",
    "[press](JaVaScRiPt&colon;window.__xss=1)",
    "[press](data:text/html,<script>window.__xss=1</script>)",
    "![seen](https://evil.example/beacon.png)",
    '<div hx-get="/keys/" hx-trigger="load">x</div>',
    '<a href="#" hx-on:click="window.__xss=1">x</a>',
    "```html\n</code></pre><script>window.__xss=1</script>\n```",
    '```"><img src=x onerror=window.__xss=1>\nx\n```',
    "| a |\n|---|\n| <svg onload=window.__xss=1> |",
    "<style>*{display:none}</style>",
    "<iframe srcdoc='<script>1</script>'></iframe>",
    "<!--><script>window.__xss=1</script>",
    "[a]: javascript:window.__xss=1\n\n[a]",
    '<https://evil.example/"onmouseover=window.__xss=1>',
    "[x](vbscript:1) [y](  javascript:1 ) ![z](javascript:1)",
    '[t](/ok "\\"><script>window.__xss=1</script>")',
]


def rendered(text: str) -> str:
    return str(markdown.joined(markdown.all_blocks(text, 0)))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_output_has_no_element_or_address_that_acts(text):
    html = rendered(text).lower()

    for element in ("<script", "<img", "<svg", "<iframe", "<style", "<div hx", "<form"):
        assert element not in html
    for address in ('href="javascript', 'href="data', 'href="vbscript'):
        assert address not in html
    assert not any(f"<a {name}" in html for name in ("hx-", "on"))


def test_code_is_coloured_and_can_be_copied():
    html = rendered("```python\nprint('<b>')\n```")

    assert "<span>Python</span>" in html and 'data-copy=""' in html
    assert "tok-" in html and "&lt;b&gt;" in html


def test_a_code_block_in_a_list_stays_in_its_item():
    html = rendered("- one\n  ```js\n  let a\n  ```\n- two")

    assert html.index("<li>one") < html.index('<figure class="code">') < html.index("<li>two")


def test_the_last_block_is_not_finished_and_the_ones_before_it_are():
    text = "First.\n\n- a\n- b\n\nStill gro\nwing"

    ends = [end for end, _ in markdown.finished_blocks(text, 0)]

    assert [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)] == ["First.\n\n", "- a\n- b\n\n"]


def test_lines_end_where_they_ended_while_they_came():
    html = rendered("Roses are red,\nviolets are blue.\n\n- one\n  two\n\n```\na\nb\n```\n")

    assert "<p>Roses are red,<br>\nviolets are blue.</p>" in html
    assert "<li>one<br>\ntwo</li>" in html
    assert "<code>a\nb\n</code>" in html


@pytest.mark.parametrize(
    "text",
    [
        "1. one\n\n2. two\n\n3. three\n\nThe end.\n",
        "- a\n\n  more\n\n- b\n\nx",
        "a | b\n---|---\n1 | 2\n\nx",
        "Title\n===\n\nx",
        "Roses are red,\nviolets are blue.\n\nx\ny",
    ],
)
def test_a_reply_looks_the_same_however_slowly_it_came(text):
    blocks: list[markdown.Block] = []
    for length in range(len(text)):
        blocks += markdown.finished_blocks(text[:length], blocks[-1][0] if blocks else 0)
    blocks += markdown.all_blocks(text, blocks[-1][0] if blocks else 0)

    assert str(markdown.joined(blocks)) == rendered(text)


def test_an_open_code_block_is_not_finished():
    assert markdown.finished_blocks("```python\nx = 1\n\ny = 2\n\n# a heading, were it not code", 0) == []


@given(
    parts=st.lists(
        st.sampled_from(["# Head\n\n", "text **b**\n", "\n\n", "- item\n", "1. one\n", "```\ncode\n```\n", "> quote\n"])
        | st.text(alphabet="ab|-`*_# \n", max_size=12),
        max_size=15,
    )
)
@settings(max_examples=150)
def test_a_finished_block_never_changes_however_the_reply_goes_on(parts):
    text, blocks = "", []
    for part in parts:
        text += part
        blocks += markdown.finished_blocks(text, blocks[-1][0] if blocks else 0)

    whole = [*blocks, *markdown.all_blocks(text, blocks[-1][0] if blocks else 0)]

    assert [end for end, _ in whole] == sorted({end for end, _ in whole})
    assert not text.strip() or whole[-1][0] == len(text)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "[" * 50_000, "![[](" * 9_000, "> " * 30_000, "*a_ " * 20_000])
def test_endless_text_without_a_break_is_plain(text):
    assert rendered(text).startswith('<div class="plain">')


@pytest.mark.parametrize(
    "text",
    ["Hi.\n\n" + "[" * 500_000, ("|a" * 600 + "|\n" + "|-" * 600 + "|\n" + "|b\n" * 110 + "\n") * 8],
    ids=["brackets after a paragraph", "tables the parser would fill up"],
)
def test_no_reply_makes_more_work_than_its_length_is_worth(text):
    began = time.process_time()

    html = rendered(text)

    assert time.process_time() - began < 5  # 13 s and 19 s without the limits
    assert len(html) < 20 * len(text)


def test_code_blocks_in_one_list_are_each_put_back():
    html = rendered("- a\n\n" + "".join(f"  ```\n  code {number}\n  ```\n\n" for number in range(12)))

    assert [f"code {number}\n" in html for number in range(12)] == [True] * 12
    assert html.count("<figure") == 12


@pytest.mark.parametrize(
    ("language", "text"),
    [("c", "\n" * 19_000), ("java", "\n" * 19_000), ("maple", "'" * 8_000)],
    ids=["c", "java", "maple"],
)
def test_code_that_is_slow_to_colour_stays_plain(language, text):
    began = time.process_time()

    html = rendered(f"```{language}\n{text}\n```\n\nThe end.")

    assert time.process_time() - began < 2  # tens of seconds if coloured to the end
    assert language in html.lower() and "The end." in html
