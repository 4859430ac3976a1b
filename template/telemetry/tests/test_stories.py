import json
import logging
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from accounts.emails import WELCOME
from accounts.models import User
from outbox.delivery import deliver_due
from outbox.promises import promise
from telemetry import stories
from telemetry.cleaning import Cleaned
from telemetry.logs import Json, Lines

PRIVATE = "ada@example.com"
SIGN_UP = {"name": "Ada Lovelace", "email": PRIVATE}
SIGN_UP |= dict.fromkeys(["password1", "password2"], "difference-engine")

tracer = trace.get_tracer(__name__)


@pytest.fixture
def tell(settings):
    """A function that returns the newest story, when all is written."""

    def tell(**filters: str) -> stories.Story | None:
        assert Lines.store.force_flush()
        found = stories.newest(settings.TELEMETRY_FILE, filters)
        return stories.story(settings.TELEMETRY_FILE, found[0]["trace"]) if found else None

    return tell


@pytest.mark.django_db(transaction=True)
def test_a_request_its_sql_and_its_lines_are_one_story(client, tell):
    client.post(reverse("accounts:signup"), SIGN_UP)

    story = tell(path="POST accounts/signup")
    first, *others = story.rows
    (insert,) = [row for row in others if row.name == "INSERT accounts_user"]
    assert (first.name, insert.parent, insert.depth) == ("POST accounts/signup/", first.id, 1)
    assert first.left <= insert.left <= insert.left + insert.width <= 100
    assert PRIVATE not in str(story.rows)
    assert "Lovelace" not in str(story.rows)


@pytest.mark.django_db(transaction=True)
def test_what_a_sweep_sends_belongs_to_what_promised_it(user, tell):
    user.emails.all().delete()
    with tracer.start_as_current_span("promising"):
        promise([user.pk], WELCOME)
    with tracer.start_as_current_span("sweeping"):
        assert deliver_due() == 1

    assert [row.name for row in tell(path="promising").rows if "e-mail" in row.name] == [
        "e-mail welcome"
    ]
    assert "e-mail welcome" not in [row.name for row in tell(path="sweeping").rows]


def test_an_error_is_told_by_its_type_and_lines_lie_beside_it(tell):
    with pytest.raises(ValueError), tracer.start_as_current_span("failing"):
        logging.getLogger("shop").warning("It is %s.", "late")
        raise ValueError(PRIVATE)

    (row,) = tell(path="failing", failed="1").rows
    assert (row.error, row.attributes) == ("ValueError", {})
    assert [line["text"] for line in row.lines] == ["It is late."]


@pytest.mark.django_db
def test_a_statement_that_fails_is_told_by_its_type(tell):
    with (
        tracer.start_as_current_span("asking"),
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT * FROM nowhere")

    (asked,) = [row for row in tell(path="asking").rows if row.name == "SELECT nowhere"]
    assert asked.error in ("OperationalError", "ProgrammingError")  # SQLite, PostgreSQL


def test_a_viewer_gets_nothing_private():
    class Viewer(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            sent.append(span)

    sent: list[ReadableSpan] = []
    provider = TracerProvider()
    provider.add_span_processor(Cleaned(Viewer()))
    attributes = {"url.path": "/confirm/token", "client.address": "192.0.2.7", "order.id": 7}
    attributes["db.query.text"] = f"SELECT '{PRIVATE}'"
    with pytest.raises(ValueError), provider.get_tracer("shop").start_as_current_span("x") as span:
        span.set_attributes(attributes)
        raise ValueError(PRIVATE)

    text = sent[0].to_json()
    assert json.loads(text)["attributes"]["error.type"] == "ValueError"
    assert json.loads(text)["attributes"]["order.id"] == 7
    for private in (PRIVATE, "token", "192.0.2.7"):
        assert private not in text


@pytest.mark.django_db
def test_stories_are_for_staff(client, user, staff, settings):
    page = reverse("telemetry:list")
    assert client.get(page).status_code == 302
    client.force_login(user)
    assert client.get(page).status_code == 403
    client.force_login(staff)
    assert client.get(page).status_code == 200
    assert page in client.get("/").content.decode()
    assert client.get(reverse("telemetry:story", args=["0" * 32])).status_code == 404
    settings.TELEMETRY_STORE = False
    assert client.get(page).status_code == 404


@pytest.mark.django_db
def test_the_pages_show_a_story_and_filter_the_list(client, staff, tell):
    client.force_login(staff)
    with pytest.raises(ValueError), tracer.start_as_current_span("parent"):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'secret'")
        raise ValueError
    trace_id = tell(path="parent").trace

    def listed(query: str) -> bool:
        return trace_id in client.get(f"{reverse('telemetry:list')}?{query}").content.decode()

    assert [listed(q) for q in ("", "path=par", "failed=1")] == [True] * 3
    assert [listed(q) for q in ("path=x%27y", "task=a", "workflow=a", "slow=1")] == [False] * 4
    shown = client.get(reverse("telemetry:story", args=[trace_id])).content.decode()
    assert "ValueError" in shown
    assert "db.query.text: SELECT &#x27;…&#x27;" in shown


@pytest.mark.django_db
def test_an_email_and_its_user_have_a_link_to_what_promised_it(client, staff, user, tell):
    client.force_login(User.objects.create_superuser("root@example.com", name="Root"))
    with tracer.start_as_current_span("promising") as span:
        promise([staff.pk], WELCOME)
    story = reverse("telemetry:story", args=[f"{span.get_span_context().trace_id:032x}"])
    for page in ("admin:outbox_email_changelist", "admin:accounts_user_changelist"):
        assert client.get(reverse(page)).content.decode().count(f'href="{story}"') == 1


@pytest.mark.django_db
def test_a_page_that_asks_again_and_again_has_no_story(client, tell):
    with tracer.start_as_current_span("before"):
        pass
    before = tell(path="").trace
    client.get("/processes/", headers={"HX-Request": "true"})
    client.get("/health/")
    assert tell(path="").trace == before
    client.get("/processes/")
    assert tell(path="").trace != before


def test_a_story_is_told_in_a_terminal(tell):
    with tracer.start_as_current_span("told"), tracer.start_as_current_span("below"):
        trace_id = format(trace.get_current_span().get_span_context().trace_id, "032x")
    assert tell(path="told").trace == trace_id
    for asked in (["--last", "--path", "told"], [trace_id[:12]]):
        said = StringIO()
        call_command("story", *asked, stdout=said)
        head, first, second = said.getvalue().splitlines()
        assert head.startswith(f"{trace_id}, ")
        assert " told [" in first
        assert "   below [" in second
    with pytest.raises(CommandError, match="There is no story ffff"):
        call_command("story", "ffff" * 8)


def test_lines_are_json_with_the_ids_of_their_story():
    record = logging.makeLogRecord({"name": "shop", "levelname": "INFO", "msg": "Hi"})
    with tracer.start_as_current_span("x") as span:
        line = json.loads(Json().format(record))
    assert line["message"] == "Hi"
    assert line["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert "trace_id" not in json.loads(Json().format(record))
