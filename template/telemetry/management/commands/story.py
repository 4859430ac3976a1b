from argparse import ArgumentParser
from datetime import UTC, datetime

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from telemetry import stories
from telemetry.templatetags.stories import duration


class Command(BaseCommand):
    help = "Tell what became of a request, in every process: the newest stories, or one of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("trace", nargs="?", help="the id of a trace, or how it begins")
        parser.add_argument("--last", action="store_true", help="the newest of those that match")
        for name in ("path", "task", "workflow"):
            parser.add_argument(f"--{name}", help="only those with this text in it")
        for name in ("slow", "failed"):
            parser.add_argument(f"--{name}", action="store_true", help="only these")

    def handle(self, *, trace: str | None, last: bool, **options) -> None:
        if not settings.TELEMETRY_STORE:
            raise CommandError("No stories are kept here. TELEMETRY_STORE=true turns them on.")
        asked = {name: str(text) for name in stories.FILTERS if (text := options.get(name))}
        if not trace:
            found = stories.newest(settings.TELEMETRY_FILE, asked)
            if not found:
                raise CommandError("There is no such story yet.")
            if not last:
                for one in found:
                    self._line(one["started"], one["trace"], one["name"], one["error"] or "")
                return
            trace = found[0]["trace"]
        story = stories.story(settings.TELEMETRY_FILE, trace)
        if story is None:
            raise CommandError(f"There is no story {trace}. They are kept for seven days.")
        self.stdout.write(f"{story.trace}, {duration(story.took)}")
        for row in story.rows:
            name = "  " * row.depth + row.name
            attempt = f"attempt {row.attempt}" if row.attempt else ""
            waited = f"waited {duration(row.waited)}" if row.waited else ""
            took, where = f"{duration(row.took):>8}", f"[{row.process}]"
            self._line(row.started, took, name, where, attempt, waited, row.state)
            for line in row.lines:
                self._line(line["time"], " " * 8, "  " * row.depth, line["level"], line["text"])

    def _line(self, time: int, *words: str) -> None:
        moment = datetime.fromtimestamp(time / 1e9, UTC)
        self.stdout.write(f"{moment:%H:%M:%S.%f}"[:-3] + " " + " ".join(filter(None, words)))
