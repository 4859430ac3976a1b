from django.core.management.base import BaseCommand

from accounts import ledger


class Command(BaseCommand):
    help = (
        "Send the e-mails that are due: follow-ups, and those that a mail server refused before."
        " Without a backend for background tasks, call it from cron."
    )

    def handle(self, **options) -> None:
        self.stdout.write(f"{ledger.deliver_due()} e-mails sent.")
