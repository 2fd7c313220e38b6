import unicodedata

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

AT_ONCE = 500


def fold(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    tasks = apps.get_model("videos", "VideoTask").objects.order_by("pk")
    last = 0
    while some := list(tasks.filter(pk__gt=last).only("prompt")[:AT_ONCE]):
        for task in some:
            once = unicodedata.normalize("NFKC", task.prompt).casefold()
            task.prompt_folded = unicodedata.normalize("NFKC", once)
        tasks.bulk_update(some, ["prompt_folded"])
        last = some[-1].pk


class Migration(migrations.Migration):
    """Prompts are searched as they were folded when they were written."""

    dependencies = [("videos", "0006_sorted_by_index")]

    operations = [
        migrations.AddField("videotask", "prompt_folded", models.TextField(default=""), preserve_default=False),
        migrations.RunPython(fold, migrations.RunPython.noop),
    ]
