"""What keys are called where their owners' names meet other text."""

import unicodedata

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
_RIGHT_TO_LEFT = {"R", "AL"}


def isolated(name: str) -> str:
    """A name in Arabic or Hebrew is set apart: digits and dots behind it would be moved into it."""
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in name):
        return f"{FIRST_STRONG_ISOLATE}{name}{POP_ISOLATE}"
    return name


def labelled(name: str, last_four: str) -> str:
    return f"{isolated(name)} …{last_four}"


def plain(label: str) -> str:
    """For programs, which would see the marks."""
    return label.replace(FIRST_STRONG_ISOLATE, "").replace(POP_ISOLATE, "")
