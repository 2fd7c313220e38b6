"""A team's credit in four figures that agree with each other, read in one query."""

from dataclasses import dataclass

from django.db.models import OuterRef, Subquery, Sum

from accounts.models import Team, UsageDay, Wallet


@dataclass(frozen=True, slots=True)
class CreditSums:
    """Granted is what was ever put in, less corrections; used is charges less refunds: both since the beginning."""

    granted_nanousd: int
    used_nanousd: int
    held_nanousd: int

    @property
    def available_nanousd(self) -> int:
        return self.granted_nanousd - self.used_nanousd - self.held_nanousd


def of(team: Team) -> CreditSums:
    # Added up from days: there may be millions of entries, and the two cannot disagree.
    days = UsageDay.objects.filter(team=OuterRef("team")).order_by().values("team")
    spent = days.annotate(sum=Sum("spent_nanousd")).values("sum")
    wallet = Wallet.objects.annotate(used=Subquery(spent)).get(team=team)
    used = wallet.used or 0
    return CreditSums(wallet.balance_nanousd + used, used, wallet.held_nanousd)
