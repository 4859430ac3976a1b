"""A long activity: it reports its progress, goes on after a failure, and can be cancelled."""

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from accounts.models import User
from exports import activities
from exports.activities import ExportInput, Progress, export_users, path
from exports.workflow import ExportWorkflow

PAGES_OF_ONE = ["cancel", "download"]
# Until when users are exported.
UNTIL = timezone.now() + timedelta(days=1)


@pytest.fixture(autouse=True)
def small_chunks(settings, tmp_path, monkeypatch) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(activities, "CHUNK", 2)


@pytest.fixture
def users(db) -> list[User]:
    return [User.objects.create_user(f"user{n}@example.com", name=f"User {n}") for n in range(5)]


def attempt(heartbeats: list[Progress], on_heartbeat: Callable = lambda *_: None) -> object:
    """Run the activity once; it knows of the last of these heartbeats, and adds its own."""
    environment = ActivityEnvironment()
    details = [vars(heartbeats[-1])] if heartbeats else []
    environment.info = replace(environment.info, heartbeat_details=details)

    def heartbeat(progress: Progress) -> None:
        heartbeats.append(replace(progress))
        on_heartbeat(environment, progress)

    environment.on_heartbeat = heartbeat
    return environment.run(export_users, "export-1", UNTIL)


def exported() -> list[str]:
    return [line.split(",")[1] for line in path("export-1").read_text().splitlines()]


def test_it_writes_everybody(users):
    heartbeats = []
    assert attempt(heartbeats) == 5
    assert exported() == [user.email for user in users]
    assert [progress.rows for progress in heartbeats] == [2, 4, 5]


def test_it_leaves_out_who_signs_up_later(users):
    users[4].date_joined = UNTIL + timedelta(seconds=1)
    users[4].save()
    assert attempt([]) == 4


def test_it_goes_on_where_it_stopped(users):
    heartbeats = []

    def lose_the_database(environment: ActivityEnvironment, progress: Progress) -> None:
        path("export-1").with_suffix(".part").open("a").write("not confirmed by a heartbeat" * 100)
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError):
        attempt(heartbeats, lose_the_database)
    assert attempt(heartbeats) == 5
    assert [progress.rows for progress in heartbeats] == [2, 4, 5]
    assert exported() == [user.email for user in users]


def test_it_starts_again_on_another_machine(users):
    assert attempt([Progress(last_id=users[1].pk, rows=2, size=100)]) == 5
    assert exported() == [user.email for user in users]


def test_it_tidies_up_when_it_is_cancelled(users):
    with pytest.raises(CancelledError):
        attempt([], lambda environment, progress: environment.cancel())
    assert list(path("export-1").parent.iterdir()) == []


def test_it_hands_over_when_its_worker_stops(users):
    heartbeats = []
    with pytest.raises(ApplicationError, match="worker stops"):
        attempt(heartbeats, lambda environment, progress: environment.worker_shutdown())
    assert attempt(heartbeats) == 5
    assert exported() == [user.email for user in users]


@pytest.fixture
def exporter(staff) -> User:
    """Somebody of the staff who may see users, and so export them."""
    staff.user_permissions.add(Permission.objects.get(codename="view_user"))
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
    assert b"user4@example.com" in client.get(address_in(page, "download")).getvalue()


def test_the_page_cancels_it(real_temporal, real_workers, client, users, see, monkeypatch):
    endless = [(1, "ada@example.com", "Ada", "now")]
    monkeypatch.setattr(activities, "_users_after", lambda *_: endless)
    client.post(reverse("exports:list"))
    client.post(address_in(see(" rows"), "cancel"))
    see("canceled")


def pages(client: Client) -> dict[str, int]:
    """What each page answers."""
    of_one = {name: reverse(f"exports:{name}", args=[uuid.uuid4()]) for name in PAGES_OF_ONE}
    return {
        "list": client.get(reverse("exports:list")).status_code,
        "start": client.post(reverse("exports:list")).status_code,
        "download": client.get(of_one["download"]).status_code,
        "cancel": client.post(of_one["cancel"]).status_code,
    }


def test_staff_see_it_and_whoever_may_see_users_exports_them(client, user, staff):
    client.force_login(user)
    assert set(pages(client).values()) == {403}
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert set(pages(client).values()) == {403}
    client.force_login(staff)
    assert pages(client) == {"list": 200, "start": 403, "download": 403, "cancel": 403}
    assert "Export all users" not in client.get(reverse("exports:list")).content.decode()
    staff.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert pages(client) == {"list": 200, "start": 302, "download": 404, "cancel": 302}


@pytest.mark.parametrize("page", PAGES_OF_ONE)
@pytest.mark.parametrize("id", ["order-1", "export-1", "..%2F..%2Fdb", "onboarding-1"])
def test_no_other_workflow_has_a_page(admin_client, page, id):
    for address in (f"/exports/{id}/{page}/", f"/exports/export-{id}/{page}/"):
        assert admin_client.post(address).status_code == 404


def test_no_other_workflow_can_be_cancelled(real_temporal, transactional_db, admin_client):
    """Not even one whose id has the form of an export's."""
    id, queue = uuid.uuid4(), settings.TEMPORAL_TASK_QUEUE
    start = real_temporal.client.start_workflow("Other", id=f"export-{id}", task_queue=queue)
    handle = real_temporal.run(start)
    for export_id in (id, uuid.uuid4()):
        page = admin_client.post(reverse("exports:cancel", args=[export_id]))
        assert page.status_code == 404
    history = real_temporal.run(handle.fetch_history()).to_json()
    assert "CANCEL_REQUESTED" not in history
    real_temporal.run(handle.terminate())


def test_one_that_was_started_in_another_way_does_no_harm(
    real_temporal, real_workers, admin_client
):
    started = real_temporal.client.start_workflow(
        ExportWorkflow.run,
        ExportInput(UNTIL),
        id="../../elsewhere",
        task_queue=settings.TEMPORAL_TASK_QUEUE,
    )
    with pytest.raises(WorkflowFailureError) as failed:
        real_temporal.run(real_temporal.run(started).result())
    assert "no name for a file" in str(failed.value.cause.cause)
    assert admin_client.get(reverse("exports:list")).status_code == 200


def test_the_page_says_when_temporal_is_down(client, staff):
    client.force_login(staff)
    assert "does not answer" in client.get(reverse("exports:list")).content.decode()
