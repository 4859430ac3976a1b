import asyncio

from django.core.management.base import BaseCommand

from workflows import worker_process


class Command(BaseCommand):
    help = "Run workflows and activities until SIGTERM or Ctrl-C."

    def handle(self, **options) -> None:
        asyncio.run(worker_process.run())
        worker_process.leave(0)
