from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('outbox', '0002_given_up')]

    operations = [
        migrations.AddField('email', 'trace', models.TextField(editable=False, null=True)),
    ]
