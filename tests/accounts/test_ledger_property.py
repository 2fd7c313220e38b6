"""Whatever is done in whatever order, the ledger holds after every step."""

from contextlib import suppress

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import budgets, invariants, ledger
from accounts.models import Hold
from accounts.refusals import Conflict, PaymentRequired
from tests.accounts.conftest import costing

WHOLE_TEAM = budgets.Subject()
AMOUNTS = st.integers(0, 40)
PICKS = st.integers(0, 3)
CALLS = ["hold", "hold", "settle", "settle", "refund", "release", "renew", "lapse"]
CHANGES = ["top_up", "correct", "limit", "limit_bob", "limit_model", "move"]
STEPS = st.one_of(st.tuples(st.sampled_from(kinds), PICKS, AMOUNTS) for kinds in (CALLS, CALLS, CHANGES))


class Purse:
    """A team whose money anything may happen to; what is refused must leave no trace."""

    def __init__(self, alice, bob):
        self.alice, self.bob = alice, bob
        self.team = alice.team
        self.holds: dict[int, Hold] = {}

    def do(self, step: str, pick: int, amount: int) -> None:
        if step in ("settle", "renew", "refund", "release", "lapse") and pick not in self.holds:
            return
        with suppress(PaymentRequired, Conflict), transaction.atomic():
            getattr(self, step)(pick, amount)

    def hold(self, pick, amount):
        caller = (self.alice, self.bob)[pick % 2]
        model = ("llama", "mistral")[pick % 3 % 2]
        self.holds[pick] = ledger.hold(caller, request_id=f"req_{pick}", amount_nanousd=amount, model_id=model)

    def settle(self, pick, amount):
        ledger.settle(self.holds[pick], calls=costing(amount))

    def release(self, pick, _):
        ledger.release(self.holds[pick])

    def renew(self, pick, amount):
        ledger.renew(self.holds[pick], delivered_nanousd=amount, lease_s=60)

    def lapse(self, pick, _):
        ledger.renew(self.holds[pick], delivered_nanousd=0, lease_s=-1)
        ledger.reap()

    def refund(self, pick, amount):
        ledger.refund(self.holds[pick], by=None, key=f"{pick}", amount_nanousd=amount + 1)

    def top_up(self, pick, amount):
        ledger.top_up(self.team, by=None, key=f"{pick}", amount_nanousd=amount + 1)

    def correct(self, pick, amount):
        ledger.correct(self.team, by=None, key=f"{pick}", amount_nanousd=-amount - 1, note="typed wrong")

    def limit(self, pick, amount, subject=WHOLE_TEAM):
        window = list(budgets.Budget.Window)[pick % 4]
        budgets.limit(self.team, by=None, subject=subject, window=window, hard_nanousd=5 * amount, soft_nanousd=amount)

    def limit_bob(self, pick, amount):
        self.limit(pick, amount, budgets.Subject(member=self.bob.user))

    def limit_model(self, pick, amount):
        self.limit(pick, amount, budgets.Subject(model_id="llama"))

    def move(self, pick, _):
        zone = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago")[pick % 3]
        budgets.set_time_zone(self.team, by=None, time_zone=zone)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=10, max_size=40))
def test_the_ledger_holds_after_every_step(alice, bob, steps):
    with transaction.atomic():
        purse = Purse(alice, bob)
        ledger.top_up(alice.team, by=None, key="start", amount_nanousd=200)
        for step in steps:
            purse.do(*step)
            assert [str(breach) for breach in invariants.breaches()] == []
        transaction.set_rollback(True)
