"""E-mails that failed, how the work goes, and the processes' logs and restarts."""

import threading
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from accounts.emails import WELCOME
from accounts.models import User
from home import processes
from home.processes import Process
from outbox import delivery, promises
from outbox.models import Email

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def development(settings):
    settings.DEBUG = True  # pytest-django turns it off


@pytest.fixture
def users():
    return [User.objects.create_user(f"{n}@example.com", name=f"User {n}") for n in range(3)]


@pytest.fixture
def only_home(monkeypatch):
    """What `home` declares, whatever backends are installed."""
    monkeypatch.setattr(apps, "get_app_configs", lambda: [apps.get_app_config("home")])
    return apps.get_app_config("home")


def test_a_log_is_shown_as_text_and_a_restart_wants_a_name_that_runs(
    client, development, monkeypatch
):
    asked = []
    answer = {"data": [{"name": "mailer", "status": "Disabled", "restarts": 0}]}
    answer |= {"logs": ["\x1b[31m<b>red</b>\x1b[0m", ""]}
    monkeypatch.setattr(processes, "_request", lambda *request: asked.append(request) or answer)
    monkeypatch.setattr(processes, "RESTART_AFTER", 0)

    assert "<pre>&lt;b&gt;red&lt;/b&gt;\n</pre>" in client.get("/?log=mailer").content.decode()
    page = client.get("/?log=other").content.decode()
    assert "<pre>" not in page
    assert "dot off" in page  # what is disabled runs not, and is started
    assert "Start</button>" in page
    assert client.post(reverse("restart", args=["other"])).status_code == 404
    assert client.get(reverse("restart", args=["mailer"])).status_code == 405
    assert client.post(reverse("restart", args=["mailer"])).status_code == 302
    threads = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    [thread.join() for thread in threads]
    posts = [path for method, path, *_ in asked if method == "POST"]
    assert posts == ["/process/restart/mailer"]


def test_outside_development_nobody_restarts_anything(admin_client, monkeypatch):
    monkeypatch.setattr(processes, "running", lambda: [Process("mailer", "ready", "good", 0)])
    assert admin_client.post(reverse("restart", args=["mailer"])).status_code == 404


def test_staff_see_how_the_work_goes(client, staff, only_home, monkeypatch):
    work = {"outbox.email": "outbox.promises.work"}
    monkeypatch.setattr(only_home, "work", work, raising=False)
    assert "How work goes" not in client.get("/").content.decode()
    assert "work" not in client.get("/health/").json()

    client.force_login(staff)
    counts = {"failed": 0, "unsent": 0, "oldest, in seconds": 0}
    assert client.get("/health/").json()["work"] == {"outbox.email": counts}
    assert "/admin/outbox/email/?failed=yes" in client.get("/").content.decode()


def test_an_email_that_is_given_up_counts_no_more_and_can_be_run_again(
    admin_client, users, monkeypatch
):
    now = timezone.now()
    late = now - timedelta(seconds=90)
    Email.objects.create(user=users[1], kind=WELCOME, due_at=late)
    Email.objects.create(user=users[2], kind=WELCOME, due_at=late, unanswered=2, failed_at=late)
    work = {"failed": 1, "unsent": 1, "oldest, in seconds": 90}

    def counted() -> dict[str, int]:
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: now)
            return promises.work()

    assert counted() == work

    def press(action: str) -> str:
        selected = list(Email.objects.values_list("pk", flat=True))
        data = {"action": action, "_selected_action": selected}
        page = admin_client.post(reverse("admin:outbox_email_changelist"), data, follow=True)
        return page.content.decode()

    assert "Given up. 1 of 2." in press("give_up")
    assert "nothing to do (given up)" in press("give_up")
    assert counted() == work | {"failed": 0}
    assert delivery.deliver_due() == 1
    assert "Run again. 1 of 2." in press("run_again")
    assert delivery.deliver_due() == 1
    said = LogEntry.objects.values_list("user__email", "change_message")
    assert list(said) == [("admin@example.com", "Run again."), ("admin@example.com", "Given up.")]


def test_who_may_only_look_decides_nothing(client, staff, users):
    failed = Email.objects.create(user=users[0], kind=WELCOME, failed_at=timezone.now())
    staff.user_permissions.add(Permission.objects.get(codename="view_email"))
    client.force_login(staff)
    address = reverse("admin:outbox_email_changelist")
    assert "run_again" not in client.get(f"{address}?failed=yes").content.decode()
    client.post(address, {"action": "run_again", "_selected_action": [failed.pk]})
    assert Email.objects.get().failed_at
