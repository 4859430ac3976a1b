import pytest
from django.urls import reverse

from accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_admin_page_opens(admin_client):
    user = User.objects.create_user("ada@example.com", name="Ada")
    for page in [
        reverse("admin:accounts_user_changelist"),
        reverse("admin:accounts_user_add"),
        reverse("admin:accounts_user_change", args=[user.pk]),
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
