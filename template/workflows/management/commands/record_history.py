import os

from django.core.management.base import BaseCommand, CommandError, CommandParser
from temporalio.service import RPCError, RPCStatusCode

from workflows import client, histories


class Command(BaseCommand):
    help = (
        "Record the history of a workflow, so that the tests replay it against every later"
        " version of its code. Do so before you change the code."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("workflow_id", help="for example onboarding-42")
        parser.add_argument("name", nargs="?", help="the file's name, if not the workflow's id")

    def handle(self, workflow_id: str, name: str | None, **options) -> None:
        try:
            file = client.call(
                lambda temporal: histories.record(temporal, workflow_id, name or workflow_id),
                timeout=30,
            )
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise CommandError(f"Temporal knows no workflow {workflow_id}.") from None
            raise CommandError(str(error)) from None
        except (histories.Undeclared, *client.UNAVAILABLE) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Recorded {os.path.relpath(file)}")
