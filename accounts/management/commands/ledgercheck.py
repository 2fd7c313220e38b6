"""`manage.py ledgercheck` proves the ledger, or prints the rows that are wrong. The proof is accounts/invariants.py."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import invariants
from accounts.models import Entry, Hold, Wallet


class Command(BaseCommand):
    help = "Check that every amount of money is accounted for; exits 1 and prints the rows that are not."

    def handle(self, *args: Any, **options: Any) -> None:
        breaches = invariants.breaches()
        for breach in breaches:
            self.stdout.write(str(breach))
        if breaches:
            raise CommandError(f"The ledger is broken in {len(breaches)} places, see above.", returncode=1)
        counts = [model._default_manager.count() for model in (Wallet, Entry, Hold)]
        self.stdout.write("The ledger holds: {} wallets, {} entries, {} holds.".format(*counts))
