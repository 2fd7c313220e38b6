from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("videos", "0001_tasks_and_files")]

    operations = [
        migrations.AddField(
            "upload", "thumbnail", models.CharField(default="", max_length=200), preserve_default=False
        ),
        migrations.AddField("upload", "used_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "upload",
            models.Index(condition=models.Q(used_at=None), fields=["created_at"], name="upload_unused"),
        ),
    ]
