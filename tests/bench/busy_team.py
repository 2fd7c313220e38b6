"""A team that has been busy for 90 days: members, keys, receipts by the hundred thousand and the days they come to.

Run in an installation of its own, with the number of receipts. Written past the ledger, in bulk: what a page shows of
them is the same, and a million calls would take an hour. Deterministic, so that two runs measure the same.
"""

import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

DAYS = 90
MEMBERS, KEYS_EACH, MODELS, PROVIDERS = 40, 2, 30, 4
MODELS_EACH = 4  # that one member uses through one key
RARE_MODEL = "model/rare"
PRICE = (
    '{"prompt_picousd":3000000,"completion_picousd":15000000,"cached_picousd":null,'
    '"source":"listed","as_of":"2026-10-20"}'
)
COLUMNS = (
    *("request_id", "team_id", "user_id", "access_key_id", "door", "client", "model_id", "provider_name", "outcome"),
    *("status", "code", "attempts", "held_nanousd", "charged_nanousd", "basis", "tokens_in", "tokens_out", "price"),
    *("began_at", "first_token_ms", "total_ms", "hold_id"),
)
HOLD_COLUMNS = (
    *("id", "wallet_id", "request_id", "user_id", "access_key_id", "model_id", "state", "amount_nanousd"),
    *("delivered_nanousd", "charged_nanousd", "refunded_nanousd", "opened_at", "closed_at", "request"),
)
ENTRY_COLUMNS = (
    *("wallet_id", "number", "kind", "amount_nanousd", "balance_nanousd", "key", "hold_id", "by_id", "note"),
    "created_at",
)
TOP_UPS = 12
RICH = 10**16
DAY_COLUMNS = (
    *("team_id", "day", "user_id", "access_key_id", "model_id", "provider_name"),
    *("requests", "failed", "refused", "tokens_in", "tokens_out", "spent_nanousd"),
)
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NONE = (0, 0, 0, 0, 0, 0)


def request_id(at: datetime, number: int) -> str:
    """As `accounts.ids` makes them, of a moment of the past."""
    value = int(at.timestamp() * 1000) << 80 | number
    return "req_" + "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


class Days:
    """Adds receipts up to the rows of UsageDay."""

    def __init__(self) -> None:
        self._sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [*_NONE])

    def add(self, row: tuple[Any, ...]) -> None:
        named = dict(zip(COLUMNS, row, strict=True))
        key = (
            *(named["team_id"], named["began_at"].date(), named["user_id"], named["access_key_id"] or 0),
            *(named["model_id"], named["provider_name"]),
        )
        figures = (
            *(1, named["outcome"] in ("failed", "lapsed"), named["outcome"] == "refused"),
            *(named["tokens_in"] or 0, named["tokens_out"] or 0, named["charged_nanousd"]),
        )
        sums = self._sums[key]
        for place, figure in enumerate(figures):
            sums[place] += figure

    def rows(self) -> Iterator[tuple[Any, ...]]:
        return ((*key, *sums) for key, sums in self._sums.items())


def receipts(
    count: int, team_id: int, sources: list[tuple[int, int]], quiet: int, began: datetime
) -> Iterator[tuple[Any, ...]]:
    """Spread evenly over the days. `sources` are members with a key of theirs; only the quiet one
    is in the playground."""
    chance = random.Random(18)
    step = timedelta(days=DAYS) / count
    for number in range(count):
        key: int | None
        user, key = sources[int(len(sources) * chance.random() ** 1.5)]
        model = f"model/{(user * 7 + (key or 0) * 3 + int(MODELS_EACH * chance.random() ** 2)) % MODELS}"
        if number % (count // 3) == 5:
            user, key, model = quiet, None, RARE_MODEL
        outcome = "done"
        if chance.random() < 0.04:
            outcome = chance.choice(("refused", "refused", "failed", "stopped"))
        if number % (count // 4) == 9:
            outcome = "lapsed"
        is_refused = outcome == "refused"
        at = began + number * step
        tokens_in, tokens_out = chance.randrange(50, 20_000), chance.randrange(10, 2_000)
        cost = 0 if is_refused else tokens_in * 3000 + tokens_out * 15000
        provider = "" if is_refused else f"provider {int(model[-1:]) % PROVIDERS if model[-1:].isdigit() else 0}"
        yield (
            *(request_id(at, number), team_id, user, key, "api" if key else "playground"),
            *("openai-python 3.54" if key else "", model, provider, outcome, 402 if is_refused else 200),
            *("insufficient_credits" if is_refused else "", 0 if is_refused else 1, cost * 2, cost, "reported"),
            *(None if is_refused else tokens_in, None if is_refused else tokens_out, PRICE, at, 400, 5000),
            None if is_refused else number + 1,
        )


def holds(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """What each of these receipts was held for, all settled."""
    for row in rows:
        of = dict(zip(COLUMNS, row, strict=True))
        if of["hold_id"]:
            yield (
                *(of["hold_id"], of["team_id"], of["request_id"], of["user_id"], of["access_key_id"], of["model_id"]),
                *("settled", of["held_nanousd"], 0, of["charged_nanousd"], 0),
                *(of["began_at"], of["began_at"] + timedelta(seconds=5), "{}"),
            )


def entries(rows: Iterator[tuple[Any, ...]], team_id: int, by: int, every: int) -> Iterator[tuple[Any, ...]]:
    """Their charges, and now and then a top-up."""
    number = balance = 0
    for place, row in enumerate(rows):
        of = dict(zip(COLUMNS, row, strict=True))
        if place % every == 0:
            number, balance = number + 1, balance + RICH
            yield team_id, number, "top-up", RICH, balance, f"top-up:{number}", None, by, "Invoice", of["began_at"]
        if of["hold_id"]:
            number, balance = number + 1, balance - of["charged_nanousd"]
            at = of["began_at"] + timedelta(seconds=5)
            charge = -of["charged_nanousd"]
            yield team_id, number, "charge", charge, balance, f"charge:{number}", of["hold_id"], None, "", at


def fill(count: int) -> None:
    from accounts import keys, people
    from accounts.callers import Caller
    from accounts.models import Membership, User, Wallet
    from emma18_site import onboarding

    alice, team = onboarding.found_installation(
        name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight"
    )
    sources: list[tuple[int, int]] = []
    for number in range(MEMBERS):
        user = User.objects.create(name=f"member {number}", email=f"member{number}@example.org")
        people.add_member(team, user=user, role=Membership.Role.MEMBER)
        member = Caller(user=user, team=team, role=Membership.Role.MEMBER)
        names = [f"key {number}", f"night job {number}"][:KEYS_EACH]
        sources += [(user.pk, keys.issue(member, name=name)[0].pk) for name in names]
    quiet = User.objects.create(name="quiet", email="quiet@example.org")
    people.add_member(team, user=quiet, role=Membership.Role.MEMBER)
    days = Days()
    began = datetime.now(UTC) - timedelta(days=DAYS)

    def rows() -> Iterator[tuple[Any, ...]]:
        return receipts(count, team.pk, sources, quiet.pk, began)

    def counted() -> Iterator[tuple[Any, ...]]:
        for row in rows():
            days.add(row)
            yield row

    _write("accounts_hold", HOLD_COLUMNS, holds(rows()))
    _write("accounts_entry", ENTRY_COLUMNS, entries(rows(), team.pk, alice.pk, max(1, count // TOP_UPS)))
    last = team.wallet.entries.order_by("-number")[0]
    Wallet.objects.filter(team=team).update(balance_nanousd=last.balance_nanousd, entry_count=last.number)
    _write("accounts_receipt", COLUMNS, counted())
    _write("accounts_usageday", DAY_COLUMNS, days.rows())
    _settle()


def _write(table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
    from django.db import connection, transaction

    connection.ensure_connection()
    if connection.vendor == "postgresql":
        copying = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with connection.connection.cursor() as cursor, cursor.copy(copying) as copy:
            for row in rows:
                copy.write_row(row)
        return
    places = ", ".join("?" * len(columns))
    stored = (tuple(_stored(value) for value in row) for row in rows)
    with transaction.atomic():
        connection.connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", stored)


def _stored(value: Any) -> Any:
    """As Django keeps it in SQLite."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ")
    return value if isinstance(value, str | int | float | None) else str(value)


def _settle() -> None:
    """What PostgreSQL does by itself in time. SQLite is left as an installation leaves it, without statistics."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    import django

    django.setup()
    fill(int(sys.argv[1]))
