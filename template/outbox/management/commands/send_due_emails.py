from django.core.management.base import BaseCommand

from outbox.delivery import deliver_due


class Command(BaseCommand):
    help = "Send the e-mails that are due. Without a backend for background tasks, call it by cron."

    def handle(self, **options) -> None:
        self.stdout.write(f"{deliver_due()} e-mails sent.")
