from django.core.management.base import BaseCommand, CommandError

from workflows import client, schedules


class Command(BaseCommand):
    help = (
        "Write the schedules that the apps declare to Temporal, and show what changes."
        " A worker does so when it starts."
    )

    def handle(self, **options) -> None:
        try:
            changes = client.call(schedules.sync, timeout=30)
        except client.UNAVAILABLE as error:
            raise CommandError(str(error)) from None
        self.stdout.write("\n".join(changes) or "Nothing to change.")
