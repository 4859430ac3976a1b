"""Orders that are there keep the workflow's id that they have."""

from django.db import migrations, models
from django.db.models.functions import Cast, Concat

import orders.models


def keep_ids(apps, schema_editor):
    id_so_far = Concat(models.Value("order-"), Cast("pk", models.CharField()))
    apps.get_model("orders", "Order").objects.update(workflow_id=id_so_far)


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_payment")]
    operations = [
        migrations.AddField(
            "order",
            "workflow_id",
            models.CharField(max_length=60, editable=False, default=""),
        ),
        migrations.RunPython(keep_ids, migrations.RunPython.noop),
        migrations.AlterField(
            "order",
            "workflow_id",
            models.CharField(
                max_length=60, unique=True, editable=False, default=orders.models.new_workflow_id
            ),
        ),
    ]
