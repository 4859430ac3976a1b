"""Requests that are there keep the workflow's id that they have."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Cast, Concat

import approvals.models


def keep_ids(apps, schema_editor):
    id_so_far = Concat(models.Value("approval-"), Cast("pk", models.CharField()))
    apps.get_model("approvals", "ApprovalRequest").objects.update(workflow_id=id_so_far)


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            "approvalrequest",
            "started_at",
            models.DateTimeField(
                editable=False,
                help_text="When Temporal took it; the sweep starts the others.",
                null=True,
            ),
        ),
        migrations.AddField(
            "approvalrequest",
            "workflow_id",
            models.CharField(max_length=60, editable=False, default=""),
        ),
        migrations.RunPython(keep_ids, migrations.RunPython.noop),
        migrations.AlterField(
            "approvalrequest",
            "workflow_id",
            models.CharField(
                max_length=60, unique=True, editable=False, default=approvals.models.new_workflow_id
            ),
        ),
        migrations.AlterField(
            "approvalrequest",
            "state",
            models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("approved", "Approved"),
                    ("rejected", "Rejected"),
                    ("expired", "Expired"),
                    ("cancelled", "Cancelled"),
                ],
                default="waiting",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="Reason",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.CharField(max_length=500)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="approvals.approvalrequest"
                    ),
                ),
            ],
        ),
    ]
