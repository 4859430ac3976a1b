"""A long activity: it reports its progress, goes on after a failure, and can be cancelled."""

import csv
import io
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from temporalio.activity import ActivityCancellationDetails
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from accounts.models import User
from exports import activities
from exports.activities import ExportInput, Progress, expire_exports, export_users
from exports.models import Export, Piece
from exports.workflow import ExportWorkflow
from workflows import schedules

PAGES_OF_ONE = ["cancel", "download"]
# Until when users are exported.
UNTIL = timezone.now() + timedelta(days=1)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(activities, "CHUNK", 2)


@pytest.fixture
def users(db) -> list[User]:
    return [User.objects.create_user(f"user{n}@example.com", name=f"User {n}") for n in range(5)]


@pytest.fixture
def export(db) -> Export:
    return Export.objects.create()


def attempt(
    export: Export, heartbeats: list[Progress], on_heartbeat: Callable = lambda *_: None
) -> object:
    """Run the activity once; it knows of the last of these heartbeats, and adds its own."""
    environment = ActivityEnvironment()
    details = [vars(heartbeats[-1])] if heartbeats else []
    environment.info = replace(environment.info, heartbeat_details=details)

    def heartbeat(progress: Progress) -> None:
        heartbeats.append(progress)
        on_heartbeat(environment, progress)

    environment.on_heartbeat = heartbeat
    return environment.run(export_users, export.workflow_id, UNTIL)


def exported(export: Export) -> list[str]:
    export.refresh_from_db()
    content = b"".join(export.content())
    assert len(content) == export.size
    return [line.split(",")[1] for line in content.decode().splitlines()]


def test_it_writes_everybody(users, export):
    heartbeats = []
    assert attempt(export, heartbeats) == 5
    assert exported(export) == [user.email for user in users]
    assert [progress.rows for progress in heartbeats] == [2, 4, 5]
    assert (export.state, export.rows) == ("completed", 5)


def test_it_leaves_out_who_signs_up_later(users, export):
    users[4].date_joined = UNTIL + timedelta(seconds=1)
    users[4].save()
    assert attempt(export, []) == 4


def test_it_goes_on_where_it_stopped(users, export):
    heartbeats = []

    def lose_the_database(environment: ActivityEnvironment, progress: Progress) -> None:
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError):
        attempt(export, heartbeats, lose_the_database)
    assert attempt(export, heartbeats) == 5
    assert [progress.rows for progress in heartbeats] == [2, 4, 5]
    assert exported(export) == [user.email for user in users]


def test_it_reports_its_end_again_if_nobody_heard_it(users, export):
    heartbeats = []
    attempt(export, heartbeats)
    assert attempt(export, heartbeats) == 5
    assert exported(export) == [user.email for user in users]


@pytest.mark.parametrize("learns_it", [True, False])
def test_an_attempt_that_temporal_gave_up_spoils_nothing(users, export, learns_it):
    """It was silent for so long that another one did all of the work."""

    def silence(environment: ActivityEnvironment, progress: Progress) -> None:
        attempt(export, [])
        if learns_it:
            environment.cancel(ActivityCancellationDetails(not_found=True))

    if learns_it:
        with pytest.raises(CancelledError):
            attempt(export, [], silence)
    else:
        assert attempt(export, [], silence) == 5
    assert exported(export) == [user.email for user in users]


def test_it_tidies_up_when_it_is_cancelled(users, export):
    with pytest.raises(CancelledError):
        attempt(export, [], lambda environment, progress: environment.cancel())
    export.refresh_from_db()
    assert (export.state, export.pieces.count()) == ("canceled", 0)


def test_what_was_cancelled_is_not_written_to(users, export):
    """By an attempt that nobody knew of any more."""
    with pytest.raises(ApplicationError, match="is canceled"):
        attempt(export, [], lambda *_: export.end(Export.State.CANCELED))
    assert not export.pieces.exists()


def test_it_hands_over_when_its_worker_stops(users, export):
    heartbeats = []
    with pytest.raises(ApplicationError, match="worker stops"):
        attempt(export, heartbeats, lambda environment, progress: environment.worker_shutdown())
    assert attempt(export, heartbeats) == 5
    assert exported(export) == [user.email for user in users]


def test_a_name_is_no_formula(db, export):
    formulas = ["=HYPERLINK(A1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n1"]
    for number, name in enumerate([*formulas, "Ada = Eve"]):
        User.objects.create_user(f"user{number}@example.com", name=name)
    User.objects.create_user("=a@example.com", name="Eve")
    attempt(export, [])
    lines = io.StringIO(b"".join(export.content()).decode(), newline="")
    cells = [(email, name) for _, email, name, _ in csv.reader(lines)]
    assert [name for _, name in cells] == [*(f"'{name}" for name in formulas), "Ada = Eve", "Eve"]
    assert cells[-1][0] == "'=a@example.com"


def test_after_a_day_nothing_is_left_of_it_but_who_asked(users):
    old = timezone.now() - timedelta(days=1, seconds=1)
    exports = [Export.objects.create(asked_by=users[0], asked_at=old) for _ in range(3)]
    young = Export.objects.create(asked_by=users[0])
    for export in (*exports[:2], young):
        attempt(export, [])
    exports[1].end(Export.State.CANCELED)
    ActivityEnvironment().run(expire_exports)
    users[0].delete()
    states = [Export.objects.get(pk=export.pk).state for export in (*exports, young)]
    assert states == ["expired", "canceled", "expired", "completed"]
    assert {piece.export for piece in Piece.objects.all()} == {young}


def test_it_expires_by_schedule(temporal, workers, transactional_db):
    action = schedules.declared()["expire-exports"].action
    start = temporal.client.start_workflow(
        action.workflow, id=action.id, task_queue=action.task_queue
    )
    old = Export.objects.create(asked_at=timezone.now() - timedelta(days=2))
    temporal.run(start)
    temporal.result(action.id)
    old.refresh_from_db()
    assert old.state == "expired"
    temporal.record(action.id, "expired")


@pytest.fixture
def exporter(staff) -> User:
    """Somebody of the staff who may export users."""
    staff.user_permissions.add(Permission.objects.get(codename="add_export"))
    return staff


@pytest.fixture
def see(real_temporal, client, exporter) -> Callable[[str], str]:
    """Waits until the page shows something, and returns the page."""
    client.force_login(exporter)

    def page_with(text: str) -> str:
        def look() -> str | None:
            page = client.get(reverse("exports:list")).content.decode()
            return page if text in page else None

        return real_temporal.wait_until(look, f"{text} on the page", timeout=30)

    return page_with


def address_in(page: str, action: str) -> str:
    """The address of the link or the form for this."""
    return re.search(rf'"(/exports/[^"]+/{action}/)"', page)[1]


def test_the_page_starts_it_and_gives_the_file(real_temporal, real_workers, client, users, see):
    client.post(reverse("exports:list"))
    page = see("Download")
    assert "completed" in page
    assert "grace@example.com" in page
    answer = client.get(address_in(page, "download"))
    content = answer.getvalue()
    assert b"user4@example.com" in content
    assert int(answer["Content-Length"]) == len(content)
    handle = real_temporal.handle(Export.objects.get().workflow_id)
    assert "user4" not in real_temporal.run(handle.fetch_history()).to_json()


def test_the_page_cancels_it(real_temporal, real_workers, client, users, see, monkeypatch):
    def endless(last_id: int, until: datetime) -> list[tuple]:
        return [(last_id + 1, "ada@example.com", "Ada", "now")]

    monkeypatch.setattr(activities, "_users_after", endless)
    client.post(reverse("exports:list"))
    client.post(address_in(see(" rows"), "cancel"))
    see("canceled")
    assert not Piece.objects.exists()


def pages(client: Client) -> dict[str, int]:
    """What each page answers."""
    of_one = {name: reverse(f"exports:{name}", args=[uuid.uuid4()]) for name in PAGES_OF_ONE}
    return {
        "list": client.get(reverse("exports:list")).status_code,
        "start": client.post(reverse("exports:list")).status_code,
        "download": client.get(of_one["download"]).status_code,
        "cancel": client.post(of_one["cancel"]).status_code,
    }


def test_staff_see_it_and_whoever_may_add_exports_exports(client, user, staff):
    client.force_login(user)
    assert set(pages(client).values()) == {403}
    user.user_permissions.add(Permission.objects.get(codename="add_export"))
    assert set(pages(client).values()) == {403}
    client.force_login(staff)
    staff.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert pages(client) == {"list": 200, "start": 403, "download": 403, "cancel": 403}
    assert "Export all users" not in client.get(reverse("exports:list")).content.decode()
    staff.user_permissions.add(Permission.objects.get(codename="add_export"))
    assert pages(client) == {"list": 200, "start": 302, "download": 404, "cancel": 404}


@pytest.mark.parametrize("page", PAGES_OF_ONE)
@pytest.mark.parametrize("id", ["order-1", "export-1", "..%2F..%2Fdb", "onboarding-1"])
def test_no_other_workflow_has_a_page(admin_client, page, id):
    for address in (f"/exports/{id}/{page}/", f"/exports/export-{id}/{page}/"):
        assert admin_client.post(address).status_code == 404


def test_one_that_nobody_asked_for_exports_nothing(real_temporal, real_workers):
    for id in ("../../elsewhere", f"export-{uuid.uuid4()}"):
        started = real_temporal.client.start_workflow(
            ExportWorkflow.run,
            ExportInput(UNTIL),
            id=id,
            task_queue=settings.TEMPORAL_TASK_QUEUE,
        )
        with pytest.raises(WorkflowFailureError) as failed:
            real_temporal.run(real_temporal.run(started).result())
        assert "Nobody asked for" in str(failed.value.cause.cause)
    assert not Piece.objects.exists()


def test_the_page_says_when_temporal_is_down(client, exporter):
    client.force_login(exporter)
    done = Export.objects.create(asked_by=exporter, state="completed", size=1)
    running = Export.objects.create(asked_by=exporter)
    page = client.get(reverse("exports:list")).content.decode()
    assert "does not answer" in page
    assert address_in(page, "download") == reverse("exports:download", args=[done.pk])
    page = client.post(reverse("exports:list"), follow=True).content.decode()
    assert "The export was not started" in page
    assert set(Export.objects.all()) == {done, running}
