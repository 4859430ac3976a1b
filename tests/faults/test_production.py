"""The settings of production and development, as a process reads them in a new interpreter."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

PRODUCTION = {
    "PROJECT_NAME": "shop",
    "DJANGO_SECRET_KEY": "Qm9yZWQgb2Ygc2VjcmV0cywgYnV0IGxvbmcgZW5vdWdoIGZvciBhIGNoZWNr",
    "DJANGO_ALLOWED_HOSTS": "shop.example.com",
}


@pytest.fixture
def manage(tmp_path):
    """Runs `manage.py` with these variables and nothing else of the project's."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATA_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env=environment | variables,
            capture_output=True,
            text=True,
        )

    return run


def test_production_settings_pass_the_deployment_check(manage):
    result = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", ["PROJECT_NAME", "DJANGO_SECRET_KEY"])
def test_production_does_without_no_variable_that_must_be_set(manage, name):
    variables = {key: value for key, value in PRODUCTION.items() if key != name}

    result = manage("check", **variables)

    assert result.returncode == 1
    assert f"{name} is not set" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [
        ("DJANGO_DEBUG", "maybe", "true or false"),
        ("DJANGO_PORT", "80000", "a port from 1 to 65535"),
        ("DJANGO_PORT", "http", "a port from 1 to 65535"),
        ("DEFAULT_FROM_EMAIL", "not an address", "an e-mail address"),
        ("DATABASE_URL", "mysterious://host/db", "postgres://"),
        ("EMAIL_URL", "carrier-pigeon://coop", "smtp://"),
        ("DATA_DIR", "/proc/nothing", "a folder"),
        ("CELERY_WORKER_CONCURRENCY", "many", "a number"),
    ],
)
def test_a_malformed_variable_is_named_with_its_form(manage, name, value, form):
    result = manage("check", **{"DJANGO_DEBUG": "true"} | {name: value})

    assert result.returncode == 1
    assert result.stderr.startswith(f"manage.py: {name}={value} is not")
    assert form in result.stderr
    assert "Traceback" not in result.stderr


def test_a_password_is_not_shown(manage):
    result = manage("check", DJANGO_DEBUG="true", DATABASE_URL="mysterious://ada:hunter2@host/db")
    assert "DATABASE_URL" in result.stderr
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("debug", ["true", "false"])
def test_error_reports_show_no_password_of_any_address(manage, debug):
    code = (
        "from django.views.debug import get_default_exception_reporter_filter as filter;"
        "print(filter().get_safe_settings())"
    )
    addresses = {
        "DATABASE_URL": "postgres://ada:hunter2@db.example.com/shop",
        "EMAIL_URL": "smtp+tls://ada:hunter2@mail.example.com:587",
        "CELERY_BROKER_URL": "redis://ada:hunter2@redis.example.com/1",
    }
    result = manage("shell", "-v0", "-c", code, **PRODUCTION, **addresses, DJANGO_DEBUG=debug)
    assert "mail.example.com" in result.stdout
    assert "hunter2" not in result.stdout


def test_debug_is_off_unless_asked_for(manage):
    code = "from django.conf import settings; print(settings.DEBUG)"
    assert manage("shell", "-v0", "-c", code, **PRODUCTION).stdout == "False\n"


def test_in_development_the_project_has_its_folders_name(manage):
    code = "from django.conf import settings; print(settings.PROJECT_NAME)"
    result = manage("shell", "-v0", "-c", code, DJANGO_DEBUG="true")
    assert result.stdout.strip() == settings.BASE_DIR.name


def test_a_postgresql_database_is_taken_from_its_address(manage):
    code = "from django.db import connection as c; print(c.vendor, c.settings_dict['NAME'])"
    url = "postgres://user:secret@db.example.com:5432/shop"
    result = manage("shell", "-v0", "-c", code, DJANGO_DEBUG="true", DATABASE_URL=url)
    assert result.stdout == "postgresql shop\n"


def test_the_ports_that_up_has_chosen_count_unless_others_are_set(manage, tmp_path):
    (tmp_path / "ports.env").write_text("DJANGO_PORT=8010\n")
    code = "from django.conf import settings; print(settings.DJANGO_PORT)"
    command = ("shell", "-v0", "-c", code)
    assert manage(*command, DJANGO_DEBUG="true").stdout == "8010\n"
    assert manage(*command, DJANGO_DEBUG="true", DJANGO_PORT="8001").stdout == "8001\n"
