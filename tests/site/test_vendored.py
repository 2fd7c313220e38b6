"""What we carry from others is byte for byte what we recorded; every icon a page names is in the sprite."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "static" / "vendor"
FONT_LIMIT_BYTES = 50_000


def recorded() -> list[tuple[str, str]]:
    return [(name, digest) for digest, name in map(str.split, (VENDOR / "CHECKSUMS").read_text().splitlines())]


@pytest.mark.parametrize(("name", "digest"), recorded())
def test_vendored_file_is_what_was_recorded(name: str, digest: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest


def test_every_vendored_script_and_font_is_recorded() -> None:
    names = {(VENDOR / name).resolve() for name, _ in recorded()}

    carried = {*VENDOR.glob("*.js"), *(ROOT / "static" / "fonts").iterdir()}

    assert carried <= names


def test_fonts_are_small_enough_to_send_first() -> None:
    fonts = [(font.name, font.stat().st_size) for font in (ROOT / "static" / "fonts").iterdir()]

    assert fonts
    assert all(size <= FONT_LIMIT_BYTES for _, size in fonts), fonts


def test_sprite_holds_every_icon_that_templates_name() -> None:
    held = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static" / "icons" / "sprite.svg").read_text()))

    named = {
        name
        for template in (ROOT / "templates").rglob("*.html")
        for name in re.findall(r'{% icon "([^"]+)" %}', template.read_text())
    }

    assert named
    assert named <= held, f"missing from scripts/icons.txt: {sorted(named - held)}"


def test_sprite_holds_nothing_unused() -> None:
    sources = [*(ROOT / "templates").rglob("*.html"), ROOT / "emma18_site" / "shell.py", ROOT / "videos" / "cards.py"]
    text = "\n".join(source.read_text() for source in sources)

    held = (ROOT / "scripts" / "icons.txt").read_text().split()

    assert [name for name in held if f'"{name}"' not in text and f"#{name}" not in text] == []
