import json
import re

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.mail import send_mail
from django.urls import reverse
from django.views.defaults import permission_denied, server_error

from accounts.models import User
from home import health, processes
from home.processes import Process


@pytest.fixture
def development(settings):
    settings.DEBUG = True  # pytest-django turns it off


@pytest.mark.django_db
def test_the_start_page_shows_every_process_and_its_state(client, development, monkeypatch):
    running = [Process("django", "ready", "good", 0), Process("mailer", "starting", "waiting", 3)]
    monkeypatch.setattr(processes, "running", lambda: running)

    page = client.get("/").content.decode()

    assert re.search(r'<td>django</td>\s+<td class="state"><span class="dot good"></span>r', page)
    assert re.search(r'<span class="dot waiting"></span>starting</td>\s+<td class="number">3', page)


@pytest.mark.django_db
def test_without_a_stack_the_start_page_says_how_to_start_one(client, development):
    assert "just up" in client.get("/").content.decode()


@pytest.mark.django_db
def test_outside_development_visitors_see_no_processes_and_no_mails(client, monkeypatch):
    secret = Process("secret-process", "ready", "good", 0)
    monkeypatch.setattr(processes, "running", lambda: [secret])

    assert "secret-process" not in client.get("/").content.decode()
    assert "secret-process" not in client.get(reverse("processes")).content.decode()
    assert client.get(reverse("mails")).status_code == 404


@pytest.mark.django_db
def test_the_start_page_leads_to_the_pages_that_apps_declare(client, monkeypatch):
    config = apps.get_app_config("outbox")
    about = {"title": "Invoices", "purpose": "who owes what", "url_prefix": "invoices"}
    for name, value in about.items():
        monkeypatch.setattr(config, name, value, raising=False)

    page = client.get("/").content.decode()

    assert '<a href="/invoices/">Invoices</a>' in page
    assert "who owes what" in page


def test_an_app_without_what_it_needs_does_not_start(monkeypatch):
    needs = {"carrier_pigeons": "add-pigeons"}
    monkeypatch.setattr(apps.get_app_config("outbox"), "needs", needs, raising=False)

    with pytest.raises(ImproperlyConfigured) as refused:
        apps.get_app_config("home").ready()

    assert "outbox/ needs carrier_pigeons/" in str(refused.value)
    assert "<slipway>#add-pigeons" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.django_db
def test_the_mails_page_shows_what_was_sent(client, development, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path
    assert "No e-mail was sent yet" in client.get(reverse("mails")).content.decode()

    dashes = "-" * 79
    send_mail("Grüße", f"Hi <b>Ada</b>\n{dashes}\nBye", None, ["ada@example.com"])
    send_mail("Again", "Hi", None, ["ada@example.com"])

    page = client.get(reverse("mails")).content.decode()
    assert "Grüße" in page
    assert "Hi &lt;b&gt;Ada&lt;/b&gt;" in page
    assert "ada@example.com" in page


@pytest.mark.django_db
@pytest.mark.parametrize("in_development", [True, False])
def test_who_may_not_see_a_page_is_told_how_to_in_development(rf, settings, in_development):
    settings.DEBUG = in_development
    request = rf.get("/")
    request.user = User(email="ada@example.com")

    answer = permission_denied(request, PermissionDenied())

    assert answer.status_code == 403
    assert "signed in as ada@example.com" in answer.content.decode()
    assert ("just manage createsuperuser" in answer.content.decode()) is in_development


@pytest.mark.django_db
def test_a_page_that_is_not_there_leads_home(client):
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert 'href="/"' in answer.content.decode()


def test_an_error_has_a_page_that_needs_nothing_to_work(rf):
    assert "in our log" in server_error(rf.get("/")).content.decode()


@pytest.fixture
def only_home(monkeypatch):
    """Health checks of `home` alone, whatever backends are installed."""
    monkeypatch.setattr(health, "_last", {})
    monkeypatch.setattr(health, "_hanging", {})
    monkeypatch.setattr(apps, "get_app_configs", lambda: [apps.get_app_config("home")])
    return apps.get_app_config("home")


@pytest.mark.django_db(transaction=True)
def test_health_is_200_when_every_dependency_works(client, only_home):
    answer = client.get("/health/")
    assert (answer.status_code, answer.json()) == (200, {"database": "ok"})


def refuse() -> None:
    raise ConnectionError("password=hunter2")


@pytest.mark.django_db(transaction=True)
def test_health_is_503_and_keeps_details_to_itself(client, only_home, monkeypatch):
    checks = only_home.health_checks | {"other": f"{__name__}.refuse"}
    monkeypatch.setattr(only_home, "health_checks", checks)

    answer = client.get("/health/")

    assert answer.status_code == 503
    assert json.loads(answer.content) == {"database": "ok", "other": "down"}
