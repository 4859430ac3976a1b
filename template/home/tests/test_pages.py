import re

import pytest
from django.core.mail import send_mail
from django.urls import reverse
from django.views.defaults import server_error

from home import processes
from home.processes import Process


@pytest.fixture
def development(settings):
    settings.DEBUG = True  # pytest-django turns it off


@pytest.mark.django_db
def test_the_start_page_shows_every_process_and_its_state(client, development, monkeypatch):
    assert "just up" in client.get("/").content.decode()  # without a stack
    running = [Process("django", "ready", "good", 0), Process("mailer", "starting", "waiting", 3)]
    monkeypatch.setattr(processes, "running", lambda: running)

    page = client.get("/").content.decode()

    assert re.search(r'<td>django</td>\s+<td class="state"><span class="dot good"></span>r', page)
    assert re.search(r'<span class="dot waiting"></span>starting</td>\s+<td class="number">3', page)


@pytest.mark.django_db
def test_outside_development_visitors_see_no_processes_and_no_mails(client, monkeypatch):
    secret = Process("secret-process", "ready", "good", 0)
    monkeypatch.setattr(processes, "running", lambda: [secret])

    assert "secret-process" not in client.get("/").content.decode()
    assert "secret-process" not in client.get(reverse("processes")).content.decode()
    assert client.get(reverse("mails")).status_code == 404


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
def test_a_page_that_is_not_there_leads_home(client):
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert 'href="/"' in answer.content.decode()


def test_an_error_has_a_page_that_needs_nothing_to_work(rf):
    assert "in our log" in server_error(rf.get("/")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_health_names_each_dependency(client):
    assert client.get(reverse("health")).json()["database"] == "ok"


@pytest.mark.django_db(transaction=True)
def test_who_asks_for_health_by_address_is_answered_and_nobody_else(client):
    for path, status in {"/health/live/": 200, "/health/ready/": 200, "/": 400}.items():
        assert client.get(path, headers={"host": "10.1.2.3:8000"}).status_code == status
