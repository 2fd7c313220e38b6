"""What a program calls itself: the SDK and its version, from the headers that SDKs send.

Shown on receipts and on the Keys page, so a version is cut to what people compare: openai-python 3.54, curl 8.11.
"""

import re

HEADERS = ("user-agent", "x-stainless-lang", "x-stainless-package-version")
LONGEST = 80

# OpenAI/Python 3.54.0, AsyncOpenAI/Python 3.54.0, OpenAI/JS 7.55.0: how SDKs of OpenAI's generator name themselves.
_GENERATED = re.compile(
    r"(?:Async)?(?:Azure)?([A-Za-z]{2,30})/(Python|JS|Go|Java|Kotlin|Ruby|C#|CSharp) v?(\d+(?:\.\d+)?)"
)
_PRODUCT = re.compile(r"([A-Za-z][\w.@-]{0,40}(?:/[A-Za-z][\w.-]{0,40})?)/v?(\d{1,10}(?:\.\d{1,10})?)")
_WORD = re.compile(r"[\w.@/-]+", re.ASCII)
_VERSION = re.compile(r"\d{1,10}(?:\.\d{1,10})?")
_LANGUAGES = {"js": "node", "c#": "dotnet", "csharp": "dotnet"}


def named(agent: str, language: str = "", version: str = "") -> str:
    """From the values of HEADERS. "" where nothing is said, or nothing that can be read."""
    if found := _GENERATED.match(agent):
        maker, spoken, number = found.groups()
        return _sdk(maker.lower(), spoken, number)
    if language.isalnum() and (number := _VERSION.match(version)):  # the program goes by a name of its own
        return _sdk("openai", language[:20], number[0])
    if agent.startswith("Mozilla/"):
        return "a browser"
    if found := _PRODUCT.match(agent):
        return f"{found[1]} {found[2]}"[:LONGEST]
    word = agent.split(" ", 1)[0][:LONGEST]
    return word if _WORD.fullmatch(word) and not word.startswith("sk-") else ""


def _sdk(maker: str, language: str, version: str) -> str:
    spoken = language.lower()
    return f"{maker}-{_LANGUAGES.get(spoken, spoken)} {version}"
