from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F


def those_that_were_used(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Until now a key had one secret: what was used was that."""
    apps.get_model("accounts", "AccessKey").objects.update(secret_used_at=F("last_used_at"))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_playground_receipts")]

    operations = [
        migrations.AddField("accesskey", "rotated_at", models.DateTimeField(null=True)),
        migrations.AddField("accesskey", "secret_used_at", models.DateTimeField(null=True)),
        migrations.RunPython(those_that_were_used, migrations.RunPython.noop),
    ]
