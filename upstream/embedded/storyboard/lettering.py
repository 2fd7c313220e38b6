"""Text as masks: the product's own typeface, and what the machine has for scripts it lacks. Knows no colours."""

from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).resolve().parents[3] / "static" / "fonts"
NO_GLYPH = "\uffff"
# Looked for by name where systems keep fonts; the first that has every character of a text sets it.
FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts")
OTHERS = ("NotoSansCJK*", "wqy-*", "DroidSansFallback*", "PingFang*", "Hiragino*", "Arial Unicode*", "DejaVuSans.ttf")


@cache
def font(size: int, *, weight: int = 400, is_mono: bool = False) -> ImageFont.FreeTypeFont:
    name = "geist-mono-latin.woff2" if is_mono else "geist-latin.woff2"
    face = ImageFont.truetype(FONTS / name, size)
    face.set_variation_by_axes([weight])
    return face


def font_for(text: str, size: int, *, weight: int) -> tuple[ImageFont.FreeTypeFont, str]:
    """A font, and as much of the text as it can set."""
    own = font(size, weight=weight)
    missing = {letter for letter in text if not _has(own, letter)}
    if not missing:
        return own, text
    for file in _others():
        other = ImageFont.truetype(file, size)
        if all(_has(other, letter) for letter in text if letter.isalnum()):
            return other, "".join(letter for letter in text if _has(other, letter))
    return own, " ".join("".join(letter for letter in text if letter not in missing).split()).strip(" ,.")


def wrapped(text: str, face: ImageFont.FreeTypeFont, width: float, most: int) -> list[str]:
    """Lines no wider than `width`, the last of `most` with an ellipsis if more was to come."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < most:
        cut = _fitting(rest, face, width)
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest:
        last = lines[-1]
        while last and face.getlength(f"{last}…") > width:
            last = last[:-1]
        lines[-1] = f"{last.rstrip(' ,')}…"
    return lines


def mask(text: str, face: ImageFont.FreeTypeFont) -> Image.Image:
    """The text in white on black, one line high, its baseline where every text of this font has it."""
    ascent, descent = face.getmetrics()
    image = Image.new("L", (max(1, int(face.getlength(text)) + 2), ascent + descent), 0)
    ImageDraw.Draw(image).text((0, 0), text, font=face, fill=255)
    return image


def _fitting(text: str, face: ImageFont.FreeTypeFont, width: float) -> int:
    """How many characters fit, to the last space among them, or to the last character where there is none."""
    if face.getlength(text) <= width:
        return len(text)
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.getlength(text[:middle]) <= width else (low, middle - 1)
    space = text.rfind(" ", 0, low + 1)
    return space if space > 0 else low


def _has(face: ImageFont.FreeTypeFont, letter: str) -> bool:
    if letter.isspace():
        return True
    shape, box = _shape(face, letter)
    return bool(box) and shape != _shape(face, NO_GLYPH)[0]


def _shape(face: ImageFont.FreeTypeFont, letter: str) -> tuple[bytes, object]:
    image = mask(letter, face)
    return image.tobytes() + repr(image.size).encode(), image.getbbox()


@cache
def _others() -> tuple[Path, ...]:
    folders = [Path(folder) for folder in FOLDERS]
    return tuple(file for name in OTHERS for folder in folders for file in sorted(folder.rglob(name))[:1])
