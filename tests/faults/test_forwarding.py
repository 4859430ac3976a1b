"""The site behind the addresses under which a browser finds it, with the settings of each."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

# For each line of headers: logs in with an empty form, which needs no database. The answer 200
# shows the form again.
SITE = """
import json, sys
import django; django.setup()
from django.test import Client

for line in sys.stdin:
    headers = json.loads(line)
    client = Client(enforce_csrf_checks=True, raise_request_exception=False, headers=headers)
    page = client.get("/accounts/login/")
    token = next(iter(client.cookies.values())).value if page.status_code == 200 else ""
    answer = client.post("/accounts/login/", {"csrfmiddlewaretoken": token})
    print(json.dumps([answer.status_code, answer.content.decode()]), flush=True)
"""
CODESPACE = {
    "CODESPACE_NAME": "fluffy-robot-x7",
    "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "app.github.dev",
}
FORWARDED = "fluffy-robot-x7-8000.app.github.dev"


@pytest.fixture(scope="module")
def log_in(tmp_path_factory):
    """A function that posts a form to the site and returns the answer's status and text."""
    sites = {}

    def start(environment: dict[str, str]) -> subprocess.Popen:
        # Blank is the default. Unset, the variable of the developer's own .env would count.
        blank = ("DJANGO_ALLOWED_HOSTS", "DJANGO_CSRF_TRUSTED_ORIGINS", "DJANGO_PORT", *CODESPACE)
        env = os.environ | dict.fromkeys(blank, "")
        env |= {"DJANGO_DEBUG": "true", "DJANGO_SETTINGS_MODULE": "config.settings"}
        env |= {"DATA_DIR": str(tmp_path_factory.mktemp("data")), "DJANGO_SECRET_KEY": "x" * 50}
        return subprocess.Popen(
            [sys.executable, "-c", SITE],
            cwd=settings.BASE_DIR,
            env=env | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Django's log of what it refuses
            text=True,
        )

    def log_in(headers: dict[str, str], **environment: str) -> tuple[int, str]:
        key = json.dumps(environment, sort_keys=True)
        site = sites[key] = sites.get(key) or start(environment)
        print(json.dumps(headers), file=site.stdin, flush=True)
        status, text = json.loads(site.stdout.readline())
        return status, text

    yield log_in
    for site in sites.values():
        with site:
            site.stdin.close()


@pytest.mark.parametrize("host", [FORWARDED, "localhost:8000"])
@pytest.mark.parametrize(
    "origin", [f"https://{FORWARDED}", "https://localhost:8000", "http://localhost:8000"]
)
def test_a_form_can_be_sent_through_the_proxy_of_codespaces(host, origin, log_in):
    """The proxy passes either name on; which one it puts where has changed over the years."""
    headers = {"Host": host, "Origin": origin, "X-Forwarded-Proto": "https"}
    status, _ = log_in(headers, **CODESPACE)
    assert status == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "http://localhost:8000"),  # a devcontainer; Codespaces in VS Code
        ("localhost:8001", "http://localhost:8001"),  # port 8000 of the own machine was taken
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost:8000", "https://localhost:8000"),  # a tunnel of VS Code
    ],
)
@pytest.mark.parametrize("environment", [{}, CODESPACE], ids=["local", "codespace"])
def test_a_form_can_be_sent_from_localhost(host, origin, environment, log_in):
    assert log_in({"Host": host, "Origin": origin}, **environment)[0] == 200


def test_another_port_has_another_address(log_in):
    headers = {
        "Host": FORWARDED.replace("8000", "8001"),
        "Origin": f"https://{FORWARDED}".replace("8000", "8001"),
        "X-Forwarded-Proto": "https",
    }
    assert log_in(headers, **CODESPACE, DJANGO_PORT="8001")[0] == 200


@pytest.mark.parametrize(
    "origin",
    ["https://happy-waffle-q2-8000.app.github.dev", "https://fluffy-robot-x7-3000.app.github.dev"],
    ids=["of a second codespace", "of another port"],
)
def test_no_form_is_taken_from_another_site(origin, log_in):
    headers = {"Host": FORWARDED, "Origin": origin, "X-Forwarded-Proto": "https"}
    status, text = log_in(headers, **CODESPACE)
    assert status == 403
    assert f"{origin} does not match any trusted origins" in text


def test_an_unknown_host_is_named_and_can_be_allowed(log_in):
    """Another proxy than Codespaces', or a codespace whose name has changed."""
    headers = {"Host": "shop.example.com", "Origin": "https://shop.example.com"}
    status, text = log_in(headers, **CODESPACE)
    assert status == 400
    assert "shop.example.com" in text
    assert "ALLOWED_HOSTS" in text
    allowed = {
        "DJANGO_ALLOWED_HOSTS": "shop.example.com",
        "DJANGO_CSRF_TRUSTED_ORIGINS": "https://shop.example.com",
    }
    assert log_in(headers, **CODESPACE, **allowed)[0] == 200


def test_in_production_a_codespace_gets_no_trust(log_in):
    production = {
        "DJANGO_DEBUG": "false",
        "PROJECT_NAME": "shop",
        "DJANGO_ALLOWED_HOSTS": "shop.example.com",
        "DJANGO_BEHIND_PROXY": "true",
    }
    headers = {"Host": "shop.example.com", "X-Forwarded-Proto": "https"}
    for origin in (f"https://{FORWARDED}", "https://localhost:8000"):
        assert log_in(headers | {"Origin": origin}, **CODESPACE, **production)[0] == 403
    assert log_in(headers | {"Host": FORWARDED}, **CODESPACE, **production)[0] == 400
