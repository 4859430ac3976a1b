from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.emails import WELCOME
from accounts.models import User
from outbox import delivery, promises
from outbox.models import Email

HELD = "held until the address is confirmed"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def users():
    return [User.objects.create_user(f"{n}@example.com", name=f"User {n}") for n in range(3)]


def test_a_promise_given_twice_is_one(users):
    later = timezone.now() + timedelta(days=1)
    promises.promise([user.pk for user in users], "welcome", not_before=later)
    promises.promise([user.pk for user in users], "welcome")

    assert list(Email.objects.values_list("not_before", flat=True)) == [later] * 3


def test_a_kind_that_nobody_declares_is_refused(users):
    with pytest.raises(ValueError, match="No installed app declares e-mails of the kind 'welcom'"):
        promises.promise([users[0].pk], "welcom")
    assert not Email.objects.exists()


def test_a_promise_is_part_of_the_transaction_that_gives_it(users):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        promises.promise([users[0].pk], "welcome")
        raise ZeroDivisionError

    assert not Email.objects.exists()


def test_what_nobody_has_tried_yet_can_be_withdrawn(users):
    promises.promise([users[0].pk], "welcome")
    promises.promise([users[0].pk], "follow-up")
    assert promises.withdraw(users[0].pk, "welcome")
    assert not promises.withdraw(users[0].pk, "welcome")

    delivery.deliver_due()
    assert [message.subject for message in mail.outbox] == ["How's it going?"]
    assert not promises.withdraw(users[0].pk, "follow-up")


def test_staff_give_a_failed_email_another_chance(admin_client, users):
    failed = Email.objects.create(
        user=users[0], kind=WELCOME, attempts=delivery.MAX_ATTEMPTS, failed_at=timezone.now()
    )

    admin_client.post(
        reverse("admin:outbox_email_changelist"),
        {"action": "run_again", "_selected_action": [failed.pk]},
    )

    assert delivery.deliver(users[0].pk, WELCOME).state is delivery.State.SENT
    assert len(mail.outbox) == 1
