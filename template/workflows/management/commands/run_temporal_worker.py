import asyncio

from django.core.management.base import BaseCommand

from workflows import worker, worker_process


class Command(BaseCommand):
    help = (
        "Run workflows and activities until SIGTERM or Ctrl-C; running activities get"
        f" {worker.DRAIN.seconds} seconds to end, unless a second signal comes."
    )

    def handle(self, **options) -> None:
        asyncio.run(worker_process.run())
        worker_process.leave(0)
