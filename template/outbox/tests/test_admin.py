import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.emails import WELCOME
from accounts.models import User
from outbox import delivery
from outbox.models import Email

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user():
    return User.objects.create_user("ada@example.com", name="Ada")


def test_staff_give_a_failed_email_another_chance(admin_client, user):
    failed = Email.objects.create(
        user=user, kind=WELCOME, attempts=delivery.MAX_ATTEMPTS, failed_at=timezone.now()
    )

    admin_client.post(
        reverse("admin:outbox_email_changelist"),
        {"action": "try_again", "_selected_action": [failed.pk]},
    )

    assert delivery.deliver(user.pk, WELCOME).state is delivery.State.SENT
    assert len(mail.outbox) == 1


def test_the_list_says_what_became_of_each(admin_client, user):
    Email.objects.create(user=user, kind=WELCOME, sent_at=timezone.now())
    Email.objects.create(user=user, kind=WELCOME, reference="1", failed_at=timezone.now())
    gone = Email.objects.create(user=user, kind="of-a-part-that-was-removed")

    page = admin_client.get(reverse("admin:outbox_email_changelist")).content.decode()
    for state in ("sent", "given up", "not declared by any installed app"):
        assert f'<td class="field-state">{state}</td>' in page

    change = reverse("admin:outbox_email_change", args=[gone.pk])
    assert admin_client.get(change).status_code == 200
