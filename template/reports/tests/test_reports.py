"""The report: a result that a page waits for."""

import pytest
from celery import states
from django.core import signing
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.signup import sign_up
from config.celery import app
from reports.tasks import count_by_day
from tasks.fixtures import CeleryCommand, RedisServer, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

INDEX = "reports:index"
HTMX = {"HX-Request": "true"}


def page_of(task_id: str) -> str:
    return reverse("reports:detail", args=[signing.dumps(task_id, salt="report")])


def test_days_are_counted(run_at_once):
    sign_up("ada@example.com", "Ada", "difference-engine")
    [(day, sign_ups, emails)] = count_by_day()
    assert day == User.objects.get().date_joined.date().isoformat()
    assert (sign_ups, emails) == (1, 1)


def test_a_page_waits_for_its_result(
    admin_client: Client, celery: CeleryCommand, redis_server: RedisServer
):
    address = admin_client.post(reverse(INDEX)).url
    page = admin_client.get(address).content.decode()
    assert "It waits for a worker" in page
    assert "hx-get" in page

    celery.worker()
    wait_until(lambda: "<td>" in admin_client.get(address).content.decode(), "the report")
    part = admin_client.get(address, headers=HTMX).content.decode()
    assert '<td class="number">1</td>' in part  # the admin signed up
    assert "<html" not in part
    assert "hx-get" not in part  # it no longer asks
    [key] = redis_server.client.keys("celery-task-meta-*")
    assert 0 < redis_server.client.ttl(key) <= 60 * 60


@pytest.mark.parametrize(
    ("state", "text"),
    [(states.STARTED, "A worker makes it"), (states.FAILURE, "could not be made")],
)
def test_a_page_says_what_happens(
    admin_client: Client, redis_server: RedisServer, broker, state: str, text: str
):
    broker(redis_server.url)
    app.backend.store_result("an-id", None if state == states.STARTED else ValueError(), state)
    page = admin_client.get(page_of("an-id")).content.decode()
    assert text in page
    assert ("hx-get" in page) == (state == states.STARTED)


def test_a_result_is_not_kept_for_ever(admin_client: Client, settings):
    settings.CELERY_RESULT_EXPIRES = -1
    assert "no longer kept" in admin_client.get(page_of("an-id")).content.decode()


def test_an_address_that_nobody_gave_out(admin_client: Client):
    assert admin_client.get(reverse("reports:detail", args=["an-id"])).status_code == 404


def test_without_redis_the_pages_say_so(admin_client: Client):
    answer = admin_client.post(reverse(INDEX), follow=True)
    assert "Redis does not answer" in answer.content.decode()
    assert answer.redirect_chain == [(reverse(INDEX), 302)]
    page = admin_client.get(page_of("an-id")).content.decode()
    assert "Redis does not answer" in page
    assert "hx-get" in page


def test_others_may_not(client: Client):
    assert client.post(reverse(INDEX)).url.startswith(reverse("accounts:login"))
    client.force_login(User.objects.create_user("ada@example.com", name="Ada"))
    assert client.get(reverse(INDEX)).status_code == 403
    assert client.post(reverse(INDEX)).status_code == 403
    assert client.get(page_of("an-id")).status_code == 403
