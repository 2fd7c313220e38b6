from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def the_newest_each(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Who asked again after a budget or the team had got another name has two open requests: the later replaces the
    earlier, as it does for one that kept its name."""
    seen = set()
    requests = apps.get_model("accounts", "MoneyRequest").objects.filter(state="open")
    for asked in requests.exclude(budget=None, until__isnull=False).order_by("-pk"):
        what = (asked.team_id, asked.user_id, asked.budget_id)
        if what in seen:
            asked.delete()
        seen.add(what)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_videos_at_once")]

    operations = [
        migrations.RunPython(the_newest_each, migrations.RunPython.noop),
        migrations.RemoveConstraint("moneyrequest", "money_request_one_open_each"),
        migrations.AddConstraint(
            "moneyrequest",
            models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("user", "budget"),
                name="money_request_one_open_a_budget",
            ),
        ),
        migrations.AddConstraint(
            "moneyrequest",
            models.UniqueConstraint(
                condition=models.Q(("state", "open"), ("until", None)),
                fields=("team", "user"),
                name="money_request_one_open_for_credit",
            ),
        ),
    ]
