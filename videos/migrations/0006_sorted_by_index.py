from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce

STARS = Func(F("rating"), output_field=models.IntegerField(), template="COALESCE(%(expressions)s, 0)")
COST = Coalesce("charged_nanousd", "estimated_nanousd")


class Migration(migrations.Migration):
    """The gallery's other orders are read off an index, as its first is, and so are the tags of what is looked for."""

    dependencies = [
        ("accounts", "0011_videos_at_once"),
        ("videos", "0005_tags_and_collections"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            "videotask",
            models.Index("team", STARS.desc(), F("id").desc(), condition=Q(deleted_at=None), name="video_best_rated"),
        ),
        migrations.AddIndex(
            "videotask",
            models.Index("team", COST.desc(), F("id").desc(), condition=Q(deleted_at=None), name="video_dearest"),
        ),
        migrations.AddIndex(
            "videotask",
            models.Index(condition=Q(deleted_at__isnull=False), fields=["team"], name="video_deleted"),
        ),
        migrations.RemoveIndex("tagging", "tagging_of_video"),
        migrations.AddIndex("tagging", models.Index(fields=["task", "tag"], name="tagging_of_video")),
    ]
