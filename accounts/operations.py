"""What can be done to the money of a request, as values. `batches.py` collects them, `books.py` does them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypedDict

from accounts.callers import Caller
from accounts.models import AccessKey, Attempt, Hold, Provider, Receipt
from accounts.refusals import Refusal

LEASE_S = 60.0


class RequestFacts(TypedDict, total=False):
    """What a receipt says of a request beside its money. `price` is {} for a model nobody knows the price of; the
    tokens are what was reckoned with before it was sent, at most."""

    door: str
    client: str
    price: dict[str, Any]
    prompt_tokens: int
    output_tokens: int


@dataclass(slots=True)
class Keep:
    """Keep money for a request: the most it can be charged.

    Where less is left than `amount_nanousd` but `least_nanousd` at least, what is left is kept. `unpriced_id` is the
    first of the models that may answer whose price nobody knows: the request is refused where a budget applies to that,
    unless the team lets it pass. `prompt_tokens` count against the access key's rate. Without a lease the hold stays
    until somebody closes it.
    """

    caller: Caller
    request_id: str
    amount_nanousd: int
    model_id: str
    least_nanousd: int | None = None
    unpriced_id: str = ""
    prompt_tokens: int = 0
    lease_s: float | None = LEASE_S
    request: RequestFacts = field(default_factory=lambda: RequestFacts())


@dataclass(slots=True)
class Call:
    """One call to a provider, as the attempt that is written about it. `status` is a word such as done or timeout."""

    provider: Provider | None
    status: str
    basis: Attempt.Basis = Attempt.Basis.NONE
    cost_nanousd: int = 0
    usage: dict[str, Any] = field(default_factory=dict)
    upstream_request_id: str = ""


@dataclass(slots=True)
class Ending:
    """How a request ended, for its receipt. `total_ms` counts from the hold where it is not given."""

    outcome: Receipt.Outcome
    status: int = 200
    code: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    price: dict[str, Any] | None = None
    first_token_ms: int | None = None
    total_ms: int | None = None
    refusal: dict[str, Any] | None = None


class HoldName(Protocol):
    """Whatever names a hold: its row, or what `Keep` gave."""

    @property
    def wallet_id(self) -> int: ...
    @property
    def request_id(self) -> str: ...


@dataclass(slots=True)
class Close:
    """Settle a hold at what its calls cost, or release it; write its attempts and its receipt."""

    hold: HoldName
    state: Hold.State
    calls: Sequence[Call] = ()
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Renew:
    """Say that a request lives, and what would be due if it died now."""

    hold: HoldName
    delivered_nanousd: int
    lease_s: float = LEASE_S


@dataclass(frozen=True, slots=True)
class Switch:
    """Let a request's hold be for another model, whose budgets then have it in place of the first's. Gives False where
    the hold is closed, and is refused, with nothing changed, where a budget of that model leaves too little, or where
    nobody knows its price and a budget applies to it."""

    caller: Caller
    hold: HoldName
    model_id: str
    is_priced: bool = True


@dataclass(frozen=True, slots=True)
class Refuse:
    """Write the receipt of a request that was refused before money was asked for."""

    caller: Caller
    request_id: str
    model_id: str
    refusal: Refusal
    request: RequestFacts


type Operation = Keep | Close | Renew | Switch | Refuse


@dataclass(slots=True)
class Held:
    """A hold as the books have it. `access_key` and `tokens_counted`, what its prompt was counted as against the key's
    rate, are known to the process that opened it."""

    wallet_id: int
    request_id: str
    user_id: int
    access_key_id: int | None
    model_id: str
    state: str
    amount_nanousd: int
    delivered_nanousd: int
    charged_nanousd: int
    opened_at: datetime
    request: RequestFacts
    lease_until: datetime | None = None
    closed_at: datetime | None = None
    pk: int | None = None
    access_key: AccessKey | None = None
    tokens_counted: int = 0
