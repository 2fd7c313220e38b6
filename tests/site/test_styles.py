"""What keeps the look whole: colours only in the tokens, small files, nothing inline that the CSP would drop."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHEETS = sorted((ROOT / "static" / "css").glob("*.css"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
MOST_LINES = 250


def rules(sheet: Path) -> str:
    """A sheet without its comments and addresses."""
    return re.sub(r"/\*.*?\*/|url\([^)]*\)", "", sheet.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_sheet_is_small_and_takes_its_colours_from_the_tokens(sheet: Path):
    text = rules(sheet)

    assert len(sheet.read_text().splitlines()) <= MOST_LINES
    assert "!important" not in text
    if sheet.name != "tokens.css":
        assert re.findall(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(", text, re.IGNORECASE) == []


def test_every_token_in_use_exists_and_every_token_is_in_use():
    text = "".join(map(rules, SHEETS))

    assert set(re.findall(r"var\((--[\w-]+)", text)) == set(re.findall(r"(--[\w-]+):", text))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: str(template.relative_to(ROOT / "templates")))
def test_template_has_nothing_inline(template: Path):
    text = template.read_text()

    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", text) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_says_first_what_it_does_and_what_happens_without_it(script: Path):
    first = script.read_text().splitlines()[0]

    assert first.startswith("// ")
    assert "Without it" in first
