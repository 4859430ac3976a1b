from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.emails import FOLLOW_UP, WELCOME
from outbox.delivery import State, deliver
from outbox.promises import promise

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_due_is_sent_once(user, capsys):
    promise([user.pk], WELCOME)
    user.emails.filter(kind=FOLLOW_UP).update(not_before=timezone.now() + timedelta(hours=1))

    call_command("send_due_emails")
    call_command("send_due_emails")

    assert capsys.readouterr().out == "1 e-mails sent.\n0 e-mails sent.\n"
    assert [message.subject for message in mail.outbox] == ["Welcome!"]


def test_a_promise_is_part_of_the_transaction_that_gives_it(staff):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        promise([staff.pk], WELCOME)
        raise ZeroDivisionError

    assert not staff.emails.exists()


def test_a_kind_that_nobody_declares_is_refused(staff):
    with pytest.raises(ValueError, match="No installed app declares e-mails of the kind 'welcom'"):
        promise([staff.pk], "welcom")


def test_staff_give_a_failed_email_another_chance(admin_client, user):
    user.emails.update(failed_at=timezone.now())
    assert deliver(user.pk, WELCOME).state is State.FAILED

    selected = user.emails.values_list("pk", flat=True)
    action = {"action": "run_again", "_selected_action": list(selected)}
    admin_client.post(reverse("admin:outbox_email_changelist"), action)

    assert deliver(user.pk, WELCOME).state is State.SENT
