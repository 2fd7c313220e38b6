from functools import partial
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from accounts.ids import new_id


def key(to: str, on_delete: Any, related_name: str, **more: Any) -> Any:
    return models.ForeignKey(db_index=False, on_delete=on_delete, related_name=related_name, to=to, **more)


CASCADE, PROTECT = django.db.models.deletion.CASCADE, django.db.models.deletion.PROTECT
ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))
FIGURES = ["team", "state", "review_status", "model_id", "mode", "user", "rating"]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_videos_at_once"),
        ("videos", "0004_cap_is_the_providers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "Collection",
            [
                ID,
                (
                    "public_id",
                    models.CharField(default=partial(new_id, "co"), editable=False, max_length=32, unique=True),
                ),
                ("team", key("accounts.team", PROTECT, "video_collections")),
                ("by", key(settings.AUTH_USER_MODEL, PROTECT, "+")),
                ("name", models.CharField(max_length=60)),
                ("key", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("team", "key"), name="collection_one_per_name")],
            },
        ),
        migrations.CreateModel(
            "Tag",
            [
                ID,
                ("team", key("accounts.team", PROTECT, "video_tags")),
                ("name", models.CharField(max_length=40)),
                ("key", models.CharField(max_length=130)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("team", "key"), name="tag_one_per_name")]},
        ),
        migrations.CreateModel(
            "Tagging",
            [
                ID,
                ("tag", key("videos.tag", CASCADE, "taggings")),
                ("task", key("videos.videotask", CASCADE, "taggings")),
            ],
            options={
                "indexes": [models.Index(fields=["task"], name="tagging_of_video")],
                "constraints": [models.UniqueConstraint(fields=("tag", "task"), name="tagging_once")],
            },
        ),
        migrations.AddField(
            "videotask",
            "collection",
            key("videos.collection", django.db.models.deletion.SET_NULL, "videos", null=True, to_field="public_id"),
        ),
        migrations.AddIndex(
            "videotask",
            models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["team", "collection", "-id"],
                name="video_by_collection",
            ),
        ),
        migrations.RemoveIndex("videotask", "video_figures"),
        migrations.AddIndex(
            "videotask",
            models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=[*FIGURES, "created_at", "collection", "deleted_at"],
                name="video_figures",
            ),
        ),
    ]
