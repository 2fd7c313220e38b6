from django.db import migrations, models
from django.db.models import F, Q


def say_since(apps, schema_editor):
    """Nobody kept when: no later than now, and no earlier than the model was first offered."""
    apps.get_model("catalog", "Model").objects.filter(is_deprecated=True).update(deprecated_at=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("catalog", "0006_pending_sync")]

    operations = [
        migrations.AddField("model", "deprecated_at", models.DateTimeField(editable=False, null=True)),
        migrations.RunPython(say_since, migrations.RunPython.noop),
        migrations.AddConstraint(
            "model",
            models.CheckConstraint(
                condition=Q(is_deprecated=False, deprecated_at=None)
                | Q(is_deprecated=True, deprecated_at__isnull=False),
                name="model_is_deprecated_since_a_moment",
            ),
        ),
    ]
