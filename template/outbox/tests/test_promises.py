from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from outbox import delivery, promises
from outbox.models import Email

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def users():
    return [User.objects.create_user(f"{n}@example.com", name=f"User {n}") for n in range(3)]


def test_a_promise_given_twice_is_one(users):
    later = timezone.now() + timedelta(days=1)
    promises.promise([user.pk for user in users], "welcome", not_before=later)
    promises.promise([user.pk for user in users], "welcome")

    assert list(Email.objects.values_list("not_before", flat=True)) == [later] * 3


def test_the_database_keeps_it_single_with_and_without_a_reference(users):
    for reference in ("", "42"):
        Email.objects.create(user=users[0], kind="welcome", reference=reference)
        with pytest.raises(IntegrityError), transaction.atomic():
            Email.objects.create(user=users[0], kind="welcome", reference=reference)


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


def test_progress_is_counted(users):
    promises.promise([user.pk for user in users], "welcome")
    delivery.deliver(users[0].pk, "welcome")
    Email.objects.filter(user=users[1]).update(failed_at=timezone.now())
    last = Email.objects.filter(user=users[2])
    counts = {"promised": 3, "sent": 1, "failed": 1, "unknown": 0}
    assert promises.progress("welcome") == counts

    last.update(unanswered=2, claim=uuid4(), not_before=timezone.now() + timedelta(minutes=1))
    assert promises.progress("welcome") == counts  # the answer may still come
    last.update(not_before=timezone.now())
    assert promises.progress("welcome") == counts | {"unknown": 1}
    assert set(promises.progress("welcome", "42").values()) == {0}
