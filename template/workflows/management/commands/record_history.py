import os

from django.core.management.base import BaseCommand, CommandError, CommandParser

from workflows import client, histories


class Command(BaseCommand):
    help = "Record a workflow's history. The tests replay it against later versions of its code."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workflow_id", help="for example onboarding-42")
        parser.add_argument("name", nargs="?", help="the file's name, if not the workflow's id")

    def handle(self, workflow_id: str, name: str | None, **options) -> None:
        try:
            file = client.call(
                lambda temporal: histories.record(temporal, workflow_id, name or workflow_id),
                timeout=30,
            )
        except (LookupError, *client.UNAVAILABLE) as error:
            raise CommandError(f"{workflow_id}: {error}") from None
        self.stdout.write(f"Recorded {os.path.relpath(file)}")
