"""What `home` makes of dependencies that hang, and of declarations that cannot be true."""

from threading import Event, active_count

import django
import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from home import health


@pytest.fixture
def only_home(monkeypatch):
    """Health checks of `home` alone, whatever backends are installed."""
    monkeypatch.setattr(health, "_last", {})
    monkeypatch.setattr(health, "_hanging", {})
    monkeypatch.setattr(apps, "get_app_configs", lambda: [apps.get_app_config("home")])
    return apps.get_app_config("home")


def refuse() -> None:
    raise ConnectionError("password=hunter2")


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
@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 5.2 has no policy")
def test_pages_let_browsers_run_the_sites_own_scripts_only(client):
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self';" in policy
    assert "script-src" not in policy  # the default's
