import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts import ledger
from accounts.models import Email, User

pytestmark = pytest.mark.django_db(transaction=True)


def test_staff_give_a_failed_email_another_chance(admin_client):
    user = User.objects.create_user("ada@example.com", name="Ada")
    failed = Email.objects.create(
        user=user, kind=Email.WELCOME, attempts=ledger.MAX_ATTEMPTS, failed_at=timezone.now()
    )

    admin_client.post(
        reverse("admin:accounts_email_changelist"),
        {"action": "try_again", "_selected_action": [failed.pk]},
    )

    assert ledger.deliver(user.pk, Email.WELCOME).state is ledger.State.SENT
    assert len(mail.outbox) == 1


def test_every_admin_page_opens(admin_client):
    user = User.objects.create_user("ada@example.com", name="Ada")
    email = Email.objects.create(user=user, kind=Email.WELCOME)
    for page in [
        reverse("admin:accounts_user_changelist"),
        reverse("admin:accounts_user_add"),
        reverse("admin:accounts_user_change", args=[user.pk]),
        reverse("admin:accounts_email_changelist"),
        reverse("admin:accounts_email_change", args=[email.pk]),
    ]:
        assert admin_client.get(page).status_code == 200


def test_staff_create_a_user_who_can_log_in(admin_client, client):
    admin_client.post(
        reverse("admin:accounts_user_add"),
        {
            "email": "grace@example.com",
            "name": "Grace",
            "usable_password": "true",
            "password1": "nanosecond-wire",
            "password2": "nanosecond-wire",
        },
    )
    assert client.login(username="grace@example.com", password="nanosecond-wire")
