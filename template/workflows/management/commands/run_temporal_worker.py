import asyncio

from django.core.management.base import BaseCommand

from workflows import worker_process


class Command(BaseCommand):
    help = "Run workflows and activities until SIGTERM or Ctrl-C."
    requires_system_checks = []  # they load every page; `migrate` makes them before workers start

    def handle(self, **options) -> None:
        asyncio.run(worker_process.run())
        worker_process.leave(0)
