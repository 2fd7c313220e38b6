"""What must hold of the ledger at any moment, each as a query for the rows that break it. Reads, never mends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.ledger import REAP_EVERY_S
from accounts.models import AuditEntry, Entry, Hold
from accounts.statements import rows


@dataclass(frozen=True, slots=True)
class Breach:
    """A row that breaks an invariant, with the numbers that do not fit."""

    invariant: str
    facts: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.invariant}: " + ", ".join(f"{name} {value}" for name, value in self.facts.items())


_APPLIES = "(b.scope = 'team' OR b.user_id = h.user_id OR b.access_key_id = h.access_key_id OR b.model_id = h.model_id)"

# The first column tells which row; the others what was found.
INVARIANTS = {
    "I1 a wallet's balance is the sum of its entries": """
        SELECT w.team_id AS wallet, w.balance_nanousd AS balance, COALESCE(SUM(e.amount_nanousd), 0) AS entries
        FROM accounts_wallet w LEFT JOIN accounts_entry e ON e.wallet_id = w.team_id
        GROUP BY w.team_id, w.balance_nanousd HAVING w.balance_nanousd <> COALESCE(SUM(e.amount_nanousd), 0)
    """,
    "I1 entries are numbered without a gap, and the last number is the wallet's count": """
        SELECT w.team_id AS wallet, w.entry_count AS counted, COUNT(e.id) AS entries, MAX(e.number) AS last
        FROM accounts_wallet w LEFT JOIN accounts_entry e ON e.wallet_id = w.team_id
        GROUP BY w.team_id, w.entry_count
        HAVING w.entry_count <> COUNT(e.id) OR w.entry_count <> COALESCE(MAX(e.number), 0)
    """,
    "I1 an entry's balance is the one before and its amount": """
        SELECT e.id AS entry, e.balance_nanousd AS balance, before.balance_nanousd AS before, e.amount_nanousd AS amount
        FROM accounts_entry e
        LEFT JOIN accounts_entry before ON before.wallet_id = e.wallet_id AND before.number = e.number - 1
        WHERE e.balance_nanousd <> COALESCE(before.balance_nanousd, 0) + e.amount_nanousd
    """,
    "I2 what a wallet holds is the sum of its open holds": """
        SELECT w.team_id AS wallet, w.held_nanousd AS held, COALESCE(SUM(h.amount_nanousd), 0) AS holds
        FROM accounts_wallet w LEFT JOIN accounts_hold h ON h.wallet_id = w.team_id AND h.state = 'open'
        GROUP BY w.team_id, w.held_nanousd HAVING w.held_nanousd <> COALESCE(SUM(h.amount_nanousd), 0)
    """,
    "I3 a settled hold has one charge, of what it says; no other hold has any": """
        SELECT h.request_id AS hold, h.state AS state, h.charged_nanousd AS charged,
            COUNT(e.id) AS charges, COALESCE(SUM(e.amount_nanousd), 0) AS amount
        FROM accounts_hold h LEFT JOIN accounts_entry e ON e.hold_id = h.id AND e.kind = 'charge'
        GROUP BY h.id, h.request_id, h.state, h.charged_nanousd
        HAVING COALESCE(SUM(e.amount_nanousd), 0) <> -h.charged_nanousd
            OR COUNT(e.id) <> CASE WHEN h.charged_nanousd > 0 THEN 1 ELSE 0 END
    """,
    "I3 a hold's refunds are what it says": """
        SELECT h.request_id AS hold, h.refunded_nanousd AS refunded, COALESCE(SUM(e.amount_nanousd), 0) AS refunds
        FROM accounts_hold h LEFT JOIN accounts_entry e ON e.hold_id = h.id AND e.kind = 'refund'
        GROUP BY h.id, h.request_id, h.refunded_nanousd
        HAVING h.refunded_nanousd <> COALESCE(SUM(e.amount_nanousd), 0)
    """,
    "I3 a charge or refund is in the wallet of its hold": """
        SELECT e.id AS entry, e.wallet_id AS wallet, h.wallet_id AS holds_wallet
        FROM accounts_entry e JOIN accounts_hold h ON h.id = e.hold_id WHERE e.wallet_id <> h.wallet_id
    """,
    "I4 a wallet covers what it holds": """
        SELECT team_id AS wallet, balance_nanousd AS balance, held_nanousd AS held
        FROM accounts_wallet WHERE NOT (0 <= held_nanousd AND held_nanousd <= balance_nanousd)
    """,
    "I5 a budget's window has what its holds spent and hold": f"""
        SELECT w.id AS budget_window, w.spent_nanousd AS spent, w.held_nanousd AS held,
            COALESCE(SUM(h.charged_nanousd - h.refunded_nanousd), 0) AS charged,
            COALESCE(SUM(CASE WHEN h.state = 'open' THEN h.amount_nanousd ELSE 0 END), 0) AS open
        FROM accounts_budgetwindow w JOIN accounts_budget b ON b.id = w.budget_id
        LEFT JOIN accounts_hold h ON h.wallet_id = b.wallet_id AND {_APPLIES}
            AND h.opened_at >= w.starts_at AND h.opened_at < w.ends_at
        GROUP BY w.id, w.spent_nanousd, w.held_nanousd
        HAVING w.spent_nanousd <> COALESCE(SUM(h.charged_nanousd - h.refunded_nanousd), 0)
            OR w.held_nanousd <> COALESCE(SUM(CASE WHEN h.state = 'open' THEN h.amount_nanousd ELSE 0 END), 0)
    """,
    "I6 a charge is at most its hold": """
        SELECT request_id AS hold, amount_nanousd AS amount, charged_nanousd AS charged
        FROM accounts_hold WHERE charged_nanousd > amount_nanousd
    """,
    "I6 a hold charges what its attempts cost, less what it did not cover": """
        SELECT h.request_id AS hold, h.charged_nanousd AS charged, SUM(a.cost_nanousd - a.overrun_nanousd) AS attempts
        FROM accounts_hold h JOIN accounts_attempt a ON a.hold_id = h.id WHERE h.state = 'settled'
        GROUP BY h.id, h.request_id, h.charged_nanousd
        HAVING h.charged_nanousd <> SUM(a.cost_nanousd - a.overrun_nanousd)
    """,
    "I3 a hold that is closed has a receipt, which says the same; an open one has none": """
        SELECT h.request_id AS hold, h.state AS state, h.charged_nanousd AS charged, r.charged_nanousd AS receipt
        FROM accounts_hold h LEFT JOIN accounts_receipt r ON r.hold_id = h.id
        WHERE (h.state = 'open') <> (r.id IS NULL) OR r.request_id <> h.request_id OR r.team_id <> h.wallet_id
            OR r.charged_nanousd <> h.charged_nanousd OR r.held_nanousd <> h.amount_nanousd
    """,
    "I12 a team's days of usage come to what it was charged, less what was refunded": """
        SELECT w.team_id AS wallet, u.spent AS days, e.spent AS entries FROM accounts_wallet w
        LEFT JOIN (SELECT team_id, SUM(spent_nanousd) AS spent FROM accounts_usageday GROUP BY team_id) u
            ON u.team_id = w.team_id
        LEFT JOIN (
            SELECT wallet_id, -SUM(amount_nanousd) AS spent FROM accounts_entry
            WHERE kind IN ('charge', 'refund') GROUP BY wallet_id
        ) e ON e.wallet_id = w.team_id
        WHERE COALESCE(u.spent, 0) <> COALESCE(e.spent, 0)
    """,
    "I12 a team's days of usage count its receipts": """
        SELECT w.team_id AS wallet, u.requests AS days, r.requests AS receipts FROM accounts_wallet w
        LEFT JOIN (SELECT team_id, SUM(requests) AS requests FROM accounts_usageday GROUP BY team_id) u
            ON u.team_id = w.team_id
        LEFT JOIN (SELECT team_id, COUNT(*) AS requests FROM accounts_receipt GROUP BY team_id) r
            ON r.team_id = w.team_id
        WHERE COALESCE(u.requests, 0) <> COALESCE(r.requests, 0)
    """,
}

_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'",
}


def breaches() -> list[Breach]:
    """Every row that breaks an invariant, all read from one state of the database."""
    with _one_snapshot():
        return [*_broken(), *_overdue(), *_changeable()]


@contextmanager
def _one_snapshot() -> Iterator[None]:
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _broken() -> Iterator[Breach]:
    for invariant, sql in INVARIANTS.items():
        with connection.cursor() as cursor:
            cursor.execute(sql)
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                yield Breach(invariant, dict(zip(names, row, strict=True)))


def _overdue() -> Iterator[Breach]:
    since = timezone.now() - timedelta(seconds=2 * REAP_EVERY_S)
    for hold in Hold.objects.filter(state=Hold.State.OPEN, lease_until__lt=since):
        facts = {"hold": hold.request_id, "lease": hold.lease_until}
        yield Breach("I7 a hold is closed soon after its lease ran out", facts)


def _changeable() -> Iterator[Breach]:
    present = {name for (name,) in rows(_TRIGGERS[connection.vendor])}
    for model in (Entry, AuditEntry):
        for event in ("update", "delete"):
            trigger = f"{model._meta.db_table}_refuses_{event}"
            if trigger not in present:
                yield Breach("I11 entries and audit entries are append-only", {"missing trigger": trigger})
