"""Announcements: everybody gets one, however often a step is lost or repeated."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import User
from announcements import tasks
from announcements.models import KIND, Announcement
from announcements.tasks import continue_announcements, promise, send_batch
from outbox.models import Email
from outbox.promises import promise as promise_emails
from outbox.smtp import ANSWER_TIMEOUT

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {"subject": "We move", "text": "On Friday."}
FORM = TEXTS | {"token": "7b0ed2a8-6c0f-4b0e-8a52-1b9a5c1f0d11"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def small_steps(monkeypatch) -> None:
    monkeypatch.setattr(tasks, "CHUNK", 4)
    monkeypatch.setattr(tasks, "BATCH", 2)


def create_users(count: int) -> None:
    User.objects.bulk_create(User(email=f"{n}@example.com", name=f"User {n}") for n in range(count))


def announce() -> Announcement:
    newest = User.objects.latest("pk").pk
    return Announcement.objects.create(last_user_id=newest, **TEXTS)


def recipients() -> list[str]:
    return sorted(message.to[0] for message in mail.outbox)


def let_time_pass(**time: int) -> None:
    """Make everything that waits older."""
    past = timezone.now() - timedelta(**time)
    Announcement.objects.update(moved_at=past)
    Email.objects.filter(sent_at=None).update(not_before=past)


def test_every_active_user_with_a_confirmed_address_gets_one(
    admin_client: Client, run_at_once, small_steps
):
    create_users(9)
    User.objects.filter(email="3@example.com").update(is_active=False)
    User.objects.filter(email="4@example.com").update(email_confirmed_at=None)

    answer = admin_client.post(reverse("announcements:index"), FORM)
    User.objects.create_user("late@example.com", name="Late")
    continue_announcements()

    everybody = [f"{n}@example.com" for n in range(9) if n not in (3, 4)] + ["admin@example.com"]
    assert recipients() == sorted(everybody)
    assert mail.outbox[0].subject == "We move"
    assert "On Friday." in mail.outbox[0].body
    page = admin_client.get(answer.url).content.decode()
    assert "Done" in page
    assert "hx-get" not in page  # it no longer asks


def test_a_double_click_is_one_announcement(admin_client: Client, run_at_once):
    index = reverse("announcements:index")
    token = re.search(r'name="token" value="([^"]+)"', admin_client.get(index).content.decode())[1]
    first = admin_client.post(index, TEXTS | {"token": token})
    second = admin_client.post(index, TEXTS | {"token": token})
    assert second.url == first.url
    assert recipients() == ["admin@example.com"]

    again = re.search(r'name="token" value="([^"]+)"', admin_client.get(index).content.decode())[1]
    assert admin_client.post(index, TEXTS | {"token": again}).url != first.url
    assert Announcement.objects.count() == 2


def test_it_can_be_stopped(admin_client: Client, run_at_once, small_steps, monkeypatch):
    create_users(9)
    announcement = announce()
    monkeypatch.setattr(tasks, "CHUNK", 6)
    turn = iter([True, False, False])
    with monkeypatch.context() as on_its_way:
        on_its_way.setattr(send_batch, "delay", lambda *batch: next(turn) and send_batch(*batch))
        on_its_way.setattr(promise, "delay", lambda *_: None)
        promise(announcement.pk)
    assert len(recipients()) == 2  # of the six that have their row
    page = admin_client.get(announcement.get_absolute_url()).content.decode()
    assert "Stop</button>" in page

    failing, unanswered, *_ = Email.objects.filter(sent_at=None)
    Email.objects.filter(pk=failing.pk).update(claim=uuid4())  # being sent at this moment
    Email.objects.filter(pk=unanswered.pk).update(unanswered=1)  # it may have arrived
    answer = admin_client.post(reverse("announcements:stop", args=[announcement.pk]), follow=True)
    assert set(Email.objects.filter(sent_at=None)) == {failing, unanswered}
    Email.objects.filter(pk=failing.pk).update(claim=None)
    page = answer.content.decode()
    assert "Stopped on" in page
    assert "Stop</button>" not in page
    let_time_pass(minutes=4)
    continue_announcements()
    promise(announcement.pk)
    assert len(recipients()) == 3
    assert Email.objects.count() == 3
    page = admin_client.get(announcement.get_absolute_url()).content.decode()
    assert "hx-get" not in page


def test_each_action_takes_its_permission_and_shows_who_did_it(client: Client, staff: User):
    client.force_login(staff)
    announcement = announce()
    page = announcement.get_absolute_url()
    make = reverse("announcements:index")
    stop = reverse("announcements:stop", args=[announcement.pk])
    allowed = {None: (403, 403, 403), "view": (200, 403, 403)}
    allowed |= {"add": (403, 302, 403), "change": (403, 403, 302)}
    for action, answers in allowed.items():
        staff.user_permissions.set(Permission.objects.filter(codename=f"{action}_announcement"))
        assert (make in client.get("/").content.decode()) == (action == "view")
        asked = (client.get(make), client.post(make, FORM), client.post(stop))
        assert tuple(answer.status_code for answer in asked) == answers
        if action == "view":
            assert "Send to everybody" not in client.get(make).content.decode()
            assert "Stop</button>" not in client.get(page).content.decode()
    assert Announcement.objects.count() == 2

    User.objects.update(is_superuser=True)
    assert client.get(stop).status_code == 405
    assert f"by {staff}" in client.get(page).content.decode()
    listed = client.get(reverse("admin:announcements_announcement_changelist")).content.decode()
    assert f'field-created_by nowrap">{staff}' in listed
    assert f'field-stopped_by nowrap">{staff}' in listed


def test_others_may_not(client: Client):
    login = client.post(reverse("announcements:index"), FORM)
    assert login.url.startswith(reverse("accounts:login"))

    client.force_login(User.objects.create_user("ada@example.com", name="Ada"))
    assert client.get(reverse("announcements:index")).status_code == 403
    assert client.post(reverse("announcements:index"), FORM).status_code == 403
    announcement = announce()
    assert client.get(announcement.get_absolute_url()).status_code == 403
    stop = reverse("announcements:stop", args=[announcement.pk])
    assert client.post(stop).status_code == 403
    assert Announcement.objects.count() == 1


def test_the_pages_before_the_first_and_with_a_mistake(admin_client: Client):
    page = admin_client.get(reverse("announcements:index")).content.decode()
    assert "There was none yet." in page

    page = admin_client.post(reverse("announcements:index"), FORM | {"text": ""}).content.decode()
    assert "This field is required." in page
    assert not Announcement.objects.exists()


def test_a_page_shows_how_far_it_came(admin_client: Client):
    create_users(4)
    announcement = announce()
    users = User.objects.order_by("pk").values_list("pk", flat=True)[:3]
    promise_emails(users, KIND, reference=announcement.reference)
    first, second, third = Email.objects.order_by("pk").values_list("pk", flat=True)
    Email.objects.filter(pk=first).update(sent_at=timezone.now())
    Email.objects.filter(pk=second).update(failed_at=timezone.now())
    Announcement.objects.update(cursor=Email.objects.get(pk=third).user_id)

    page = admin_client.get(announcement.get_absolute_url(), headers=HTMX).content.decode()
    assert re.findall(r'class="number">(\d+)', page) == ["1", "3", "1"]  # sent, waiting, failed
    assert "hx-get" in page
    assert "<html" not in page


def test_emails_of_which_nobody_knows_hold_up_nothing(
    admin_client: Client, run_at_once, small_steps
):
    create_users(12)
    announcement = announce()
    users = User.objects.order_by("pk").values_list("pk", flat=True)[:9]
    promise_emails(users, KIND, reference=announcement.reference)
    Email.objects.update(unanswered=2, failed_at=timezone.now())
    Announcement.objects.update(cursor=users[8])

    promise(announcement.pk)
    page = admin_client.get(announcement.get_absolute_url()).content.decode()
    assert re.findall(r'class="number">(\d+)', page) == ["4", "0", "0", "9"]
    assert "Done" in page


def test_a_slow_mail_server_ends_a_batch(run_at_once, small_steps, monkeypatch):
    # What it has begun may take longer than other tasks are given.
    assert send_batch.time_limit > send_batch.soft_time_limit > tasks.BATCH_TIME + ANSWER_TIMEOUT
    create_users(2)
    announcement = announce()
    with monkeypatch.context() as slow:
        slow.setattr(tasks, "BATCH_TIME", -1)
        promise(announcement.pk)
    assert recipients() == []

    let_time_pass(minutes=4)
    continue_announcements()
    assert recipients() == ["0@example.com", "1@example.com"]


def test_who_is_deactivated_meanwhile_gets_none(run_at_once, small_steps):
    create_users(2)
    announcement = announce()
    users = User.objects.values_list("pk", flat=True)
    promise_emails(users, KIND, reference=announcement.reference)
    User.objects.filter(email="0@example.com").update(is_active=False)
    send_batch(announcement.reference, 0, announcement.last_user_id)
    assert recipients() == ["1@example.com"]
    assert announcement.progress()["failed"] == 1


def test_repeated_steps_send_nothing_twice(run_at_once, small_steps):
    create_users(6)
    announcement = announce()
    promise(announcement.pk)
    promise(announcement.pk)
    send_batch(announcement.reference, 0, announcement.last_user_id)
    assert len(recipients()) == len(set(recipients())) == 6


def test_lost_steps_are_repeated(run_at_once, small_steps, monkeypatch):
    create_users(9)
    announcement = announce()
    with monkeypatch.context() as killed:
        # After the rows of the first step, nothing is handed out.
        killed.setattr(send_batch, "delay", lambda *_: (_ for _ in ()).throw(OperationalError))
        with pytest.raises(OperationalError):
            promise(announcement.pk)
    assert Email.objects.count() == 4

    continue_announcements()
    assert recipients() == []  # who knows, perhaps somebody is at it

    let_time_pass(minutes=4)
    continue_announcements()
    assert recipients() == [f"{n}@example.com" for n in range(9)]


def test_a_step_that_fails_moves_nothing(monkeypatch):
    create_users(2)
    announcement = announce()
    monkeypatch.setattr(Announcement, "save", lambda *_, **__: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):
        promise(announcement.pk)
    assert not Email.objects.exists()


def test_while_the_mail_server_is_down_it_stops_soon(
    admin_client: Client, run_at_once, small_steps, mail_server_down
):
    create_users(30)
    announcement = announce()
    promise.delay(announcement.pk)
    assert Email.objects.count() == 12  # and not 31
    page = admin_client.get(announcement.get_absolute_url()).content.decode()
    assert "Held up" in page
    assert "Connection refused" in page

    mail_server_down()
    for _ in range(20):  # minutes
        let_time_pass(minutes=4)
        continue_announcements()
    assert len(recipients()) == len(set(recipients())) == 31
    assert "Done" in admin_client.get(announcement.get_absolute_url()).content.decode()


def test_without_redis_it_starts_later(admin_client: Client, request):
    answer = admin_client.post(reverse("announcements:index"), FORM)
    assert "On its way" in admin_client.get(answer.url).content.decode()

    let_time_pass(minutes=4)
    assert "Held up" in admin_client.get(answer.url).content.decode()
    request.getfixturevalue("run_at_once")
    continue_announcements()
    assert recipients() == ["admin@example.com"]
