"""A receipt explained: what was held, what each part cost and at which price, how long it took, and who counted.

Pure reading of a receipt, its hold and its attempts. Knows neither pages nor JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from accounts import money
from accounts.models import Attempt, Receipt

TOKENS_PER_PRICE = 10**6  # people read prices by the million tokens

_COUNTED_BY = {
    Attempt.Basis.REPORTED: "the provider's own count",
    Attempt.Basis.ESTIMATED: "an estimate from what was delivered",
    Attempt.Basis.CHECKPOINT: "an estimate from the last checkpoint",
    Attempt.Basis.NONE: "nothing was delivered",
}
ESTIMATES = (Attempt.Basis.ESTIMATED, Attempt.Basis.CHECKPOINT)


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens of a kind, at a price by the million, and what they cost."""

    tokens: int
    kind: str
    million_nanousd: int
    cost_nanousd: int


@dataclass(frozen=True, slots=True)
class Itemised:
    """What a page or a program is told of one request beyond the receipt's own columns."""

    receipt: Receipt
    attempts: Sequence[Attempt]
    parts: Sequence[Part]

    @property
    def is_priced(self) -> bool:
        return bool(self.receipt.price)

    @property
    def is_estimated(self) -> bool:
        return self.receipt.basis in ESTIMATES

    @property
    def refunded_nanousd(self) -> int:
        return self.receipt.hold.refunded_nanousd if self.receipt.hold else 0

    @property
    def given_back_nanousd(self) -> int:
        """What was held and not needed."""
        return self.receipt.held_nanousd - self.receipt.charged_nanousd

    @property
    def overrun_nanousd(self) -> int:
        """What it cost beyond the hold, which nobody was charged for."""
        return sum(attempt.overrun_nanousd for attempt in self.attempts)

    @property
    def earlier_nanousd(self) -> int:
        """What attempts cost before the last."""
        return sum(attempt.cost_nanousd for attempt in self.attempts[:-1])

    @property
    def counted_by(self) -> str:
        return _COUNTED_BY.get(Attempt.Basis(self.receipt.basis), "")

    @property
    def streamed_ms(self) -> int | None:
        first = self.receipt.first_token_ms
        return None if first is None else max(0, self.receipt.total_ms - first)

    @property
    def tokens_per_s(self) -> float | None:
        """How fast the reply came once it had begun."""
        return (
            self.receipt.tokens_out * 1000 / self.streamed_ms if self.receipt.tokens_out and self.streamed_ms else None
        )

    @property
    def first_share(self) -> str:
        """How much of the whole time went by until the first token."""
        first, total = self.receipt.first_token_ms or 0, self.receipt.total_ms
        return f"{min(100.0, 100 * first / total):.1f}%" if total else "0%"

    @property
    def price_as_of(self) -> date | None:
        return date.fromisoformat(self.receipt.price["as_of"]) if self.receipt.price else None

    @property
    def sentence(self) -> str:
        """What the caller was told, where it went wrong."""
        return str((self.receipt.refusal or {}).get("detail", ""))


def of(receipt: Receipt) -> Itemised:
    """Asks for the attempts; the receipt comes with its hold."""
    attempts = list(receipt.hold.attempts.order_by("number")) if receipt.hold else []
    usage = attempts[-1].usage if attempts else {}
    return Itemised(receipt, attempts, list(_parts(receipt.price, usage)) if receipt.price and usage else [])


def _parts(price: dict[str, Any], usage: dict[str, Any]) -> Sequence[Part]:
    prompt, cached, output = (
        int(usage.get(name) or 0) for name in ("prompt_tokens", "cached_tokens", "completion_tokens")
    )
    prompt_picousd, cached_picousd = price["prompt_picousd"], price.get("cached_picousd")
    if cached_picousd is None:
        cached = 0
    kinds = [
        (prompt - cached, "in", prompt_picousd),
        (cached, "in from cache", cached_picousd or 0),
        (output, "out", price["completion_picousd"]),
    ]
    return [
        Part(tokens, kind, picousd * TOKENS_PER_PRICE // money.PICO_PER_NANO, money.cost_nanousd([(tokens, picousd)]))
        for tokens, kind, picousd in kinds
        if tokens or kind != "in from cache"
    ]
