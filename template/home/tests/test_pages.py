import re

import pytest
from django.core.mail import send_mail
from django.urls import reverse

from home import processes
from home.processes import Process


@pytest.mark.django_db
def test_the_start_page_shows_every_process_and_its_state(client, settings, monkeypatch):
    settings.DEBUG = True  # pytest-django turns it off
    assert "just up" in client.get("/").content.decode()  # without a stack
    running = [Process("django", "ready", "good", 0), Process("mailer", "starting", "waiting", 3)]
    monkeypatch.setattr(processes, "running", lambda: running)

    page = client.get("/").content.decode()

    assert re.search(r'<td>django</td>\s+<td class="state"><span class="dot good"></span>r', page)
    assert re.search(r'<span class="dot waiting"></span>starting</td>\s+<td class="number">3', page)


@pytest.mark.django_db
def test_the_mails_page_shows_what_was_sent(client, settings, tmp_path):
    settings.DEBUG = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path
    assert "No e-mail was sent yet" in client.get(reverse("mails")).content.decode()

    send_mail("Grüße", "Hi <b>Ada</b>\n" + "-" * 79 + "\nBye", None, ["ada@example.com"])

    page = client.get(reverse("mails")).content.decode()
    assert "Grüße" in page
    assert "Hi &lt;b&gt;Ada&lt;/b&gt;" in page
    assert "ada@example.com" in page


@pytest.mark.django_db(transaction=True)
def test_health_names_each_dependency(client):
    assert client.get(reverse("health")).json()["database"] == "ok"
