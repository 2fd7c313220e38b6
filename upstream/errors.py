"""What can go wrong out there, at a provider. Knows nothing of what our own callers are told about it.

    UpstreamError
    ├── Unreachable          no connection: refused, DNS, TLS
    │   └── AddressBlocked   the address is one we must not connect to
    ├── TimedOut             connected too slowly, or silent for too long before the first event
    ├── Refused              the provider said no, before its first event
    ├── Garbled              an answer that is not one: not JSON, wrong shape, too large
    │   └── Redirected       an answer that sends us elsewhere, where we do not go
    └── Interrupted          anything after the first event

`str(error)` is a sentence that is safe to show: it holds no key, and of the provider's own words only
what `provider_words` lets through.
"""

import re

WORDS_CAP = 300
# A shorter "key" is a placeholder such as "x" or "none"; striking it out would only mangle the sentence.
SHORTEST_SECRET = 6
REDACTED = "[redacted]"
# Keys as they are echoed: whole, or masked with stars, dots or an ellipsis.
_KEY_LIKE = re.compile(r"\bsk-[\w.*…-]{4,}|\b[Bb]earer\s+[^\s\"',;]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+")


class UpstreamError(Exception):
    """A provider call failed. `reason` is a short safe sentence, `str(error)` the whole one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreachable(UpstreamError):
    """No connection came about: refused, unknown host, TLS, an unusable base URL. Nothing was billed."""


class AddressBlocked(Unreachable):
    """The host is at an address the egress guard does not allow. Nothing was sent."""

    def __init__(self, address: str) -> None:
        """`address` as the setting takes it, with its port."""
        super().__init__(
            f"The provider's address {address} is private or special and was not called. "
            f"If it is meant, add it to EMMA18_EGRESS_ALLOW, for example EMMA18_EGRESS_ALLOW={address}."
        )


class TimedOut(UpstreamError):
    """Too slow to connect, or silent too long. `may_have_billed` is true once the request was sent."""

    def __init__(self, reason: str, *, may_have_billed: bool) -> None:
        super().__init__(reason)
        self.may_have_billed = may_have_billed


class Refused(UpstreamError):
    """The provider said no before its first event. `reason` is its message made safe, or the status."""

    def __init__(
        self, status: int, reason: str, *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        what = "key" if self.status == 401 else "request"
        return f"The provider refused the {what} ({self.status}): {self.reason}"


class Garbled(UpstreamError):
    """The provider answered with something that is not an answer. It may have billed."""


class Redirected(Garbled):
    """The provider sent us elsewhere. We never follow: the key and the question were meant for this address.

    `location` is where to, with nothing secret in it; "" where that is no web address. It may name a machine that
    only admins should hear of.
    """

    def __init__(self, location: str) -> None:
        super().__init__("The provider redirected; not followed.")
        self.location = location


class Interrupted(UpstreamError):
    """The stream broke after its first event. What came before it was delivered and counts."""


def without_secret(payload: bytes, secret: str) -> bytes:
    """What a provider sent, our own key struck out where it is echoed, be it in a reply."""
    if len(secret) < SHORTEST_SECRET or secret.encode() not in payload:
        return payload
    return payload.replace(secret.encode(), REDACTED.encode())


def provider_words(text: str, *, secret: str, cap: int = WORDS_CAP) -> str:
    """A provider's own text, safe to show: one line of at most `cap` characters, without `secret` or other keys."""
    words = _UNPRINTABLE.sub(" ", text)
    if len(secret) >= SHORTEST_SECRET:
        words = words.replace(secret, REDACTED)
    words = " ".join(_KEY_LIKE.sub(REDACTED, words).split())
    return words if len(words) <= cap else words[: cap - 1] + "…"
