"""Money as rows: wallets, entries, holds, attempts, budgets with their counters, and the audit log.

All are written by `accounts/ledger.py` alone, the audit log by `accounts/audit.py`. Amounts are whole nano-dollars
(1e-9 USD). Entries and audit entries are append-only: triggers made in migration 0002 refuse to change them. Nothing
here is deleted with what it refers to, since a proof that lost a row proves nothing.
"""

from functools import partial

from django.db import models
from django.db.models import F, Q

from accounts.ids import new_id
from accounts.models.keys import AccessKey, Provider
from accounts.models.people import Team, User

MOST_NANOUSD = 10**18  # a billion dollars, and room for sums in 64 bits


class Wallet(models.Model):
    """A team's money. What may be spent is the balance less what open holds keep."""

    team = models.OneToOneField(Team, on_delete=models.PROTECT, primary_key=True, related_name="wallet")
    balance_nanousd = models.BigIntegerField(default=0)
    held_nanousd = models.BigIntegerField(default=0)
    entry_count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(held_nanousd__gte=0, balance_nanousd__gte=F("held_nanousd")), name="wallet_covers_its_holds"
            ),
            models.CheckConstraint(condition=Q(balance_nanousd__lte=MOST_NANOUSD), name="wallet_is_bounded"),
            models.CheckConstraint(condition=Q(entry_count__gte=0), name="wallet_counts_its_entries"),
        ]

    def __str__(self) -> str:
        return f"wallet of {self.team}"

    @property
    def available_nanousd(self) -> int:
        return self.balance_nanousd - self.held_nanousd


class Hold(models.Model):
    """Money kept for one request from before it starts until what it cost is known. Its life is the request's money.

    Open, then settled (charged at most its amount) or released (charged nothing), once. `delivered_nanousd` is what
    would be due if the process died now; with the lease gone, that is charged. Without a lease somebody else knows
    when it ends.
    """

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"
        RELEASED = "released"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="holds", db_index=False)
    request_id = models.CharField(max_length=40, unique=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    access_key = models.ForeignKey(AccessKey, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    model_id = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=State)
    amount_nanousd = models.BigIntegerField()
    delivered_nanousd = models.BigIntegerField()
    charged_nanousd = models.BigIntegerField()
    refunded_nanousd = models.BigIntegerField()
    opened_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    # What its receipt says of the request, should the process die before it writes one: door, client and price.
    request = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["wallet", "opened_at"], name="hold_by_time"),
            models.Index(fields=["wallet", "closed_at"], condition=~Q(state="open"), name="hold_by_close"),
            models.Index(fields=["lease_until"], condition=Q(state="open"), name="hold_open_by_lease"),
            models.Index(
                fields=["access_key"], condition=Q(state="open", access_key__isnull=False), name="hold_open_by_key"
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(request_id__gt="", model_id__gt=""), name="hold_says_what_for"),
            models.CheckConstraint(condition=Q(state__in=["open", "settled", "released"]), name="hold_state_is_known"),
            models.CheckConstraint(
                condition=Q(amount_nanousd__gte=0, amount_nanousd__lte=MOST_NANOUSD), name="hold_amount_is_bounded"
            ),
            models.CheckConstraint(
                condition=Q(delivered_nanousd__gte=0, delivered_nanousd__lte=F("amount_nanousd")),
                name="hold_covers_what_was_delivered",
            ),
            models.CheckConstraint(
                condition=Q(charged_nanousd__gte=0, charged_nanousd__lte=F("amount_nanousd")),
                name="hold_covers_its_charge",
            ),
            models.CheckConstraint(
                condition=Q(refunded_nanousd__gte=0, refunded_nanousd__lte=F("charged_nanousd")),
                name="hold_refunds_at_most_its_charge",
            ),
            models.CheckConstraint(
                condition=Q(state="settled") | Q(charged_nanousd=0), name="hold_is_charged_only_when_settled"
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="hold_is_closed_unless_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request_id}: {self.state}"


class Entry(models.Model):
    """Money that moved. `balance_nanousd` is the wallet's balance after it and `number` counts without a gap, so that
    an entry that is missing or was slipped in shows. `key` is unique: what is done again under it is done once."""

    class Kind(models.TextChoices):
        TOP_UP = "top-up", "Top-up"
        CHARGE = "charge", "Charge"
        REFUND = "refund", "Refund"
        CORRECTION = "correction", "Correction"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="entries", db_index=False)
    number = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    amount_nanousd = models.BigIntegerField()
    balance_nanousd = models.BigIntegerField()
    key = models.CharField(max_length=120, unique=True)
    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, related_name="entries", null=True, db_index=False)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    note = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        # The few among many charges that are no charge.
        indexes = [models.Index(fields=["wallet", "created_at"], condition=~Q(kind="charge"), name="entry_by_people")]
        constraints = [
            models.UniqueConstraint(fields=["wallet", "number"], name="entry_numbers_are_unique"),
            models.UniqueConstraint(fields=["hold"], condition=Q(kind="charge"), name="entry_one_charge_per_hold"),
            models.CheckConstraint(condition=Q(number__gte=1, key__gt=""), name="entry_is_numbered"),
            models.CheckConstraint(
                condition=Q(balance_nanousd__gte=0, balance_nanousd__lte=MOST_NANOUSD), name="entry_balance_is_bounded"
            ),
            models.CheckConstraint(
                condition=Q(kind="top-up", amount_nanousd__gt=0, hold=None)
                | Q(kind="charge", amount_nanousd__lt=0, hold__isnull=False)
                | Q(kind="refund", amount_nanousd__gt=0, hold__isnull=False)
                | (Q(kind="correction", hold=None) & ~Q(amount_nanousd=0)),
                name="entry_moves_money_as_its_kind_says",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Attempt(models.Model):
    """One call to a provider under a hold, and what it cost. `overrun_nanousd` is the part of the cost that the hold
    did not cover and nobody was charged for. The provider's name outlives its row."""

    class Basis(models.TextChoices):
        REPORTED = "reported", "Reported by the provider"
        ESTIMATED = "estimated", "Counted from what was delivered"
        CHECKPOINT = "checkpoint", "The last checkpoint before the process died"
        NONE = "none", "Nothing was delivered"

    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    number = models.PositiveSmallIntegerField()
    provider = models.ForeignKey(Provider, on_delete=models.SET_NULL, related_name="+", null=True, db_index=False)
    provider_name = models.CharField(max_length=80)
    status = models.CharField(max_length=40)
    usage = models.JSONField()
    basis = models.CharField(max_length=10, choices=Basis)
    cost_nanousd = models.BigIntegerField()
    overrun_nanousd = models.BigIntegerField()
    upstream_request_id = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hold", "number"], name="attempt_numbers_are_unique"),
            models.CheckConstraint(condition=Q(status__gt=""), name="attempt_has_a_status"),
            models.CheckConstraint(
                condition=Q(basis__in=["reported", "estimated", "checkpoint"]) | Q(basis="none", cost_nanousd=0),
                name="attempt_costs_nothing_without_a_basis",
            ),
            models.CheckConstraint(
                condition=Q(overrun_nanousd__gte=0, overrun_nanousd__lte=F("cost_nanousd")),
                name="attempt_overrun_is_part_of_its_cost",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_name}: {self.status}"


class Budget(models.Model):
    """A limit on what a team, one of its members, one access key or one model may spend in a window of time.

    `hard_nanousd` is refused to be exceeded; at `soft_nanousd` somebody is told.
    """

    class Scope(models.TextChoices):
        TEAM = "team"
        MEMBER = "member"
        ACCESS_KEY = "access_key", "Access key"
        MODEL = "model"

    class Window(models.TextChoices):
        TOTAL = "total"
        DAY = "day"
        WEEK = "week"
        MONTH = "month"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="budgets")
    scope = models.CharField(max_length=10, choices=Scope)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="budgets", null=True)
    access_key = models.ForeignKey(AccessKey, on_delete=models.PROTECT, related_name="budgets", null=True)
    model_id = models.CharField(max_length=200)
    window = models.CharField(max_length=5, choices=Window)
    soft_nanousd = models.BigIntegerField(null=True)
    hard_nanousd = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "window"], condition=Q(scope="team"), name="budget_one_per_team_and_window"
            ),
            models.UniqueConstraint(
                fields=["wallet", "user", "window"],
                condition=Q(scope="member"),
                name="budget_one_per_member_and_window",
            ),
            models.UniqueConstraint(
                fields=["access_key", "window"],
                condition=Q(scope="access_key"),
                name="budget_one_per_access_key_and_window",
            ),
            models.UniqueConstraint(
                fields=["wallet", "model_id", "window"],
                condition=Q(scope="model"),
                name="budget_one_per_model_and_window",
            ),
            models.CheckConstraint(
                condition=Q(scope="team", user=None, access_key=None, model_id="")
                | Q(scope="member", user__isnull=False, access_key=None, model_id="")
                | Q(scope="access_key", user=None, access_key__isnull=False, model_id="")
                | Q(scope="model", user=None, access_key=None, model_id__gt=""),
                name="budget_names_the_subject_of_its_scope",
            ),
            models.CheckConstraint(
                condition=Q(window__in=["total", "day", "week", "month"]), name="budget_window_is_known"
            ),
            models.CheckConstraint(
                condition=Q(soft_nanousd__isnull=False) | Q(hard_nanousd__isnull=False), name="budget_limits_something"
            ),
            models.CheckConstraint(
                condition=Q(soft_nanousd=None) | Q(soft_nanousd__gte=0, soft_nanousd__lte=MOST_NANOUSD),
                name="budget_alert_is_bounded",
            ),
            models.CheckConstraint(
                condition=Q(hard_nanousd=None) | Q(hard_nanousd__gte=0, hard_nanousd__lte=MOST_NANOUSD),
                name="budget_limit_is_bounded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} budget, {self.window}"


class BudgetWindow(models.Model):
    """What a budget's holds opened from `starts_at` until before `ends_at` have spent and hold; made with the first.

    `alerted_at` is when spending reached the budget's soft limit.
    """

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="windows", db_index=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    spent_nanousd = models.BigIntegerField()
    held_nanousd = models.BigIntegerField()
    alerted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["budget", "starts_at"], name="budget_window_starts_once"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="budget_window_has_an_end"),
            models.CheckConstraint(
                condition=Q(spent_nanousd__gte=0, held_nanousd__gte=0), name="budget_window_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget} from {self.starts_at}"


class AuditEntry(models.Model):
    """Something a person or the system did that others may have to account for. `actor` is nobody for the system."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="audit_entries")
    actor = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=200)
    facts = models.JSONField()
    request_id = models.CharField(max_length=40)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(action__gt=""), name="audit_entry_says_what_was_done")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class BudgetRaise(models.Model):
    """An amount by which a budget's hard limit is higher until `ends_at`; it ends by itself."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="raises", db_index=False)
    amount_nanousd = models.BigIntegerField()
    ends_at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["budget", "ends_at"], name="budget_raise_by_end")]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_nanousd__gt=0, amount_nanousd__lte=MOST_NANOUSD), name="budget_raise_is_bounded"
            )
        ]

    def __str__(self) -> str:
        return f"{self.budget} raised until {self.ends_at}"


class MoneyRequest(models.Model):
    """A member asks for more: of a budget, or with no budget named of the team's credit. An admin answers once.

    `receipt_request_id` is the refused request that made them ask, empty if none did.
    """

    class State(models.TextChoices):
        OPEN = "open", "Waiting"
        APPROVED = "approved", "Approved"
        DENIED = "denied", "Denied"

    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "ask"))
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="money_requests")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    budget = models.ForeignKey(Budget, on_delete=models.SET_NULL, related_name="+", null=True, db_index=False)
    about = models.CharField(max_length=200)  # the limit in words, which outlives the budget
    receipt_request_id = models.CharField(max_length=40)
    amount_nanousd = models.BigIntegerField()
    until = models.DateTimeField(null=True)  # nobody's budget is raised for ever; credit has no end
    reason = models.CharField(max_length=500)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    granted_nanousd = models.BigIntegerField(null=True)
    granted_until = models.DateTimeField(null=True)
    answer = models.CharField(max_length=500)
    answered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    answered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_nanousd__gt=0, amount_nanousd__lte=MOST_NANOUSD), name="money_request_is_bounded"
            ),
            models.CheckConstraint(
                condition=Q(state="open", answered_at=None)
                | (Q(state__in=["approved", "denied"]) & Q(answered_at__isnull=False)),
                name="money_request_is_open_until_answered",
            ),
            models.UniqueConstraint(
                fields=["user", "budget"], condition=Q(state="open"), name="money_request_one_open_a_budget"
            ),
            models.UniqueConstraint(
                fields=["team", "user"], condition=Q(state="open", until=None), name="money_request_one_open_for_credit"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} asks for {self.about}"


class CreditCode(models.Model):
    """A code that adds credit to the team that redeems it first. Only its digest is kept."""

    digest = models.CharField(max_length=64, unique=True)
    last_four = models.CharField(max_length=4)
    amount_nanousd = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    redeemed_at = models.DateTimeField(null=True)
    redeemed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="credit_codes", null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_nanousd__gt=0, amount_nanousd__lte=MOST_NANOUSD), name="credit_code_is_bounded"
            ),
            models.CheckConstraint(
                condition=Q(redeemed_at=None, redeemed_by=None, team=None)
                | Q(redeemed_at__isnull=False, redeemed_by__isnull=False, team__isnull=False),
                name="credit_code_is_redeemed_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"code …{self.last_four}"


class RateMinute(models.Model):
    """What an access key asked for in the minute that began at `minute`: one row a key, of its latest minute."""

    access_key = models.OneToOneField(AccessKey, on_delete=models.CASCADE, primary_key=True, related_name="rate")
    minute = models.DateTimeField()
    requests = models.PositiveBigIntegerField()
    tokens = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.access_key} at {self.minute}"
