from argparse import ArgumentParser

from celery import current_app
from django.core.management.base import BaseCommand

from tasks import recovery


class Command(BaseCommand):
    help = (
        "Show the tasks that were put aside, because one worker after the other died while it ran"
        " them; put them back to their queues, or forget them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", nargs="*", help="The task's id; without any, all of them.")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--put-back", action="store_true")
        what.add_argument("--forget", action="store_true")

    def handle(self, **options) -> None:
        done = "put back" if options["put_back"] else "forgotten" if options["forget"] else ""
        with current_app.connection_for_write() as connection:
            messages = recovery.dead_tasks(connection)
            if options["id"]:
                messages = [one for one in messages if one["headers"]["id"] in options["id"]]
            if done:
                ids = {one["headers"]["id"] for one in messages}
                recovery.take_up(connection, ids, put_back=options["put_back"])
        for headers in (one["headers"] for one in messages):
            shown = f"{headers['id']} {headers['task']}{headers['argsrepr']}"
            self.stdout.write(f"{shown} {done}".rstrip())
