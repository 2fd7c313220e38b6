from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Sum

CALLED = {
    "doubao-seedance-2-0-260128": "bytedance/seedance-2.0",
    "doubao-seedance-2-0-fast-260128": "bytedance/seedance-2.0-fast",
}
DAY = ("team_id", "day", "user_id", "access_key_id", "provider_name")
SUMS = ("requests", "failed", "refused", "tokens_in", "tokens_out", "spent_nanousd")


def by_catalog_id(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Until now videos were held, counted and limited under the id they were asked for by."""
    for before, now in CALLED.items():
        for name in ("Hold", "Receipt"):
            apps.get_model("accounts", name).objects.filter(model_id=before).update(model_id=now)
        _rename_days(apps.get_model("accounts", "UsageDay").objects, before, now)
        _rename_budgets(apps, before, now)


def _rename_days(days: Any, before: str, now: str) -> None:
    for day in days.filter(model_id=before):
        same = days.filter(model_id=now, **{name: getattr(day, name) for name in DAY}).first()
        if same is not None:
            for name in SUMS:
                setattr(day, name, getattr(day, name) + getattr(same, name))
            same.delete()
        day.model_id = now
        day.save()


def _rename_budgets(apps: Apps, before: str, now: str) -> None:
    """Where both ids had one, the lower amounts stay."""
    budgets = apps.get_model("accounts", "Budget").objects
    for budget in budgets.filter(model_id=before):
        same = budgets.filter(wallet_id=budget.wallet_id, model_id=now, window=budget.window).first()
        if same is not None:
            budget.hard_nanousd = _lower(budget.hard_nanousd, same.hard_nanousd)
            budget.soft_nanousd = _lower(budget.soft_nanousd, same.soft_nanousd)
            same.delete()
        budget.model_id = now
        budget.save()
    holds = apps.get_model("accounts", "Hold").objects.filter(model_id=now)
    for window in apps.get_model("accounts", "BudgetWindow").objects.filter(budget__model_id=now):
        counted = holds.filter(wallet_id=window.budget.wallet_id)
        counted = counted.filter(opened_at__gte=window.starts_at, opened_at__lt=window.ends_at)
        window.spent_nanousd = _sum(counted, F("charged_nanousd") - F("refunded_nanousd"))
        window.held_nanousd = _sum(counted.filter(state="open"), F("amount_nanousd"))
        window.save()


def _sum(holds: Any, amount: Any) -> int:
    return int(holds.aggregate(sum=Sum(amount))["sum"] or 0)


def _lower(one: int | None, other: int | None) -> int | None:
    return min((amount for amount in (one, other) if amount is not None), default=None)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_one_open_request_a_budget")]

    operations = [migrations.RunPython(by_catalog_id, migrations.RunPython.noop)]
