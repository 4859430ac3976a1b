"""What `home` makes of declarations, true or not, and of dependencies that are down or hang."""

import json
from threading import Event, active_count

import django
import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.urls import reverse
from django.views.defaults import permission_denied, server_error

from accounts.models import User
from home import health, processes
from home.processes import Process


@pytest.fixture
def only_home(monkeypatch):
    """Health checks of `home` alone, whatever backends are installed."""
    monkeypatch.setattr(health, "_last", {})
    monkeypatch.setattr(health, "_checks", {})
    monkeypatch.setattr(apps, "get_app_configs", lambda: [apps.get_app_config("home")])
    return apps.get_app_config("home")


def refuse() -> None:
    raise ConnectionError("password=hunter2")


def accept() -> None:
    """A dependency that works."""


@pytest.mark.django_db
def test_the_start_page_leads_to_the_pages_that_apps_declare(client, monkeypatch):
    home = reverse("home")  # which reads the URLs that there really are
    config = apps.get_app_config("outbox")
    about = {"title": "Invoices", "purpose": "who owes what", "url_prefix": "invoices"}
    for name, value in about.items():
        monkeypatch.setattr(config, name, value, raising=False)

    page = client.get(home).content.decode()

    assert '<a href="/invoices/">Invoices</a>' in page
    assert "who owes what" in page


@pytest.mark.django_db
def test_outside_development_visitors_see_no_processes_and_no_mails(
    client, monkeypatch, settings, tmp_path
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path
    secret = Process("secret-process", "ready", "good", 0)
    monkeypatch.setattr(processes, "running", lambda: [secret])

    assert "secret-process" not in client.get("/").content.decode()
    assert "secret-process" not in client.get(reverse("processes")).content.decode()
    assert client.get(reverse("mails")).status_code == 404


def test_an_app_without_what_it_needs_does_not_start(monkeypatch):
    needs = {"carrier_pigeons": "add-pigeons"}
    monkeypatch.setattr(apps.get_app_config("outbox"), "needs", needs, raising=False)

    with pytest.raises(ImproperlyConfigured) as refused:
        apps.get_app_config("home").ready()

    assert "outbox/ needs carrier_pigeons/" in str(refused.value)
    assert "<slipway>#add-pigeons" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("attribute", "value", "why"),
    [
        ("emails", {"news": "outbox.nothing.news"}, "emails, news: No module named"),
        ("health_checks", {"bank": "outbox.models.nothing"}, "health_checks, bank: Module"),
        ("bulk_emails", {"welcome": "accounts.emails.welcome"}, "accounts/ declares it, too"),
    ],
)
def test_a_declaration_that_cannot_be_true_is_named(monkeypatch, attribute, value, why):
    monkeypatch.setattr(apps.get_app_config("outbox"), attribute, value, raising=False)

    with pytest.raises(ImproperlyConfigured) as refused:
        apps.get_app_config("home").ready()

    assert str(refused.value).startswith("outbox/apps.py: ")
    assert why in str(refused.value)


@pytest.mark.django_db(transaction=True)
def test_health_is_200_when_every_dependency_works(client, only_home):
    answer = client.get("/health/")
    assert (answer.status_code, answer.json()) == (200, {"database": "ok"})


@pytest.mark.django_db(transaction=True)
def test_health_is_503_and_keeps_details_to_itself(client, only_home, monkeypatch):
    checks = only_home.health_checks | {"other": f"{__name__}.refuse"}
    monkeypatch.setattr(only_home, "health_checks", checks)

    answer = client.get("/health/")

    assert answer.status_code == 503
    assert json.loads(answer.content) == {"database": "ok", "other": "down"}


@pytest.mark.django_db(transaction=True)
def test_a_site_is_ready_by_its_database_and_live_without(client, only_home, monkeypatch):
    checks = {"database": f"{__name__}.accept", "other": f"{__name__}.refuse"}
    monkeypatch.setattr(only_home, "health_checks", checks)
    answer = client.get("/health/ready/")
    assert (answer.status_code, answer.json()) == (200, {"database": "ok"})

    checks["database"] = checks["other"]
    assert client.get("/health/ready/").status_code == 503
    assert client.get("/health/live/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_only_a_change_of_health_is_logged(client, only_home, monkeypatch, caplog):
    monkeypatch.setattr(only_home, "health_checks", {"other": f"{__name__}.refuse"})
    for _ in range(3):
        client.get("/health/")
    monkeypatch.setitem(globals(), "refuse", lambda: None)
    client.get("/health/")

    said = [record.getMessage() for record in caplog.records if record.name == "home.health"]
    assert said == ["other is down: ConnectionError: password=hunter2", "other is back"]


@pytest.mark.django_db(transaction=True)
def test_a_dependency_that_hangs_counts_as_down(client, only_home, monkeypatch):
    released = Event()
    monkeypatch.setitem(globals(), "hang", lambda: released.wait(30))
    monkeypatch.setattr(only_home, "health_checks", {"other": f"{__name__}.hang"})
    threads = active_count()
    try:
        for _ in range(3):
            assert client.get("/health/").json() == {"other": "down"}
        assert active_count() == threads + 1
    finally:
        released.set()


@pytest.mark.django_db
def test_a_page_that_is_not_there_leads_home(client):
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert 'href="/"' in answer.content.decode()


def test_an_error_has_a_page_that_needs_nothing_to_work(rf):
    assert "in our log" in server_error(rf.get("/")).content.decode()


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
@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 5.2 has no policy")
def test_pages_let_browsers_run_the_sites_own_scripts_only(client):
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self';" in policy
    assert "script-src" not in policy  # the default's
