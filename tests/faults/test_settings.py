"""What the settings make of folders, of variables, and of an environment that leads elsewhere."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize("value", ["", " ", "0.5", "3"])
def test_a_number_is_read_and_a_blank_one_is_not_set(monkeypatch, value):
    monkeypatch.setenv("RATE", value)
    assert env.number("RATE", 7) == (float(value) if value.strip() else 7)


@pytest.mark.parametrize("value", ["many", "-1", "nan", "inf"])
def test_what_is_no_number_is_named(monkeypatch, value):
    monkeypatch.setenv("RATE", value)
    with pytest.raises(ImproperlyConfigured, match=f"RATE={value} is not a number from 0 on"):
        env.number("RATE", 7)


@pytest.mark.parametrize("value", ["0", "08000", "65536", "8000 8001", "http"])
def test_what_is_no_port_is_named(monkeypatch, value):
    monkeypatch.setenv("SHOP_PORT", value)
    with pytest.raises(ImproperlyConfigured, match=f"SHOP_PORT={value} is not a port"):
        env.port("SHOP_PORT", 8000)


@pytest.mark.parametrize("value", ["shop@example.com", "The Shop <shop@example.com>"])
def test_an_address_is_read(monkeypatch, value):
    monkeypatch.setenv("SENDER", value)
    assert env.email("SENDER", "noreply@example.com") == value


@pytest.mark.parametrize("value", ["not an address", "shop", "Shop <shop>", "a@example.com, b"])
def test_what_is_no_address_is_named(monkeypatch, value):
    monkeypatch.setenv("SENDER", value)
    with pytest.raises(ImproperlyConfigured, match=f"SENDER={value} is not an e-mail address"):
        env.email("SENDER", "noreply@example.com")


@pytest.fixture
def installed(tmp_path: Path) -> Callable[[str], str]:
    """Returns the apps of a project with folders of its own, after a line at the end of base.py."""
    for name in ("accounts", "config", "home", "outbox"):
        shutil.copytree(settings.BASE_DIR / name, tmp_path / name)
    shutil.rmtree(tmp_path / "config" / "settings" / "parts")
    for name in ("invoices", "shop", "no-identifier", "no_app"):
        (tmp_path / name).mkdir()
    for name in ("invoices", "shop", "no-identifier"):
        (tmp_path / name / "apps.py").touch()

    def installed(line: str) -> str:
        with (tmp_path / "config" / "settings" / "base.py").open("a") as file:
            file.write(line)
        code = "from config.settings import INSTALLED_APPS; print(*INSTALLED_APPS)"
        environment = {"PATH": os.environ["PATH"], "DEV_ROOT": str(tmp_path)}
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    return installed


def test_an_app_is_installed_by_being_there(installed):
    assert installed("").split()[-2:] == ["invoices", "shop"]


def test_an_app_that_is_listed_too_is_installed_once_and_in_its_place(installed):
    apps = installed('INSTALLED_APPS = ["shop.apps.ShopConfig", "invoices", *INSTALLED_APPS]')
    assert apps.split()[:2] == ["shop.apps.ShopConfig", "invoices"]
    assert apps.count("shop") == apps.count("invoices") == 1


def test_no_test_can_reach_a_running_stack(tmp_path):
    """Whatever the environment says: the settings of the tests lead nowhere."""
    code = "from config import testing as s; print(s.DJANGO_PORT, s.EMAIL_BACKEND, s.DATA_DIR)"
    stack = {"DJANGO_PORT": "8000", "EMAIL_URL": "smtp://mail.example.com", "DATA_DIR": "/data"}
    environment = os.environ | stack | {"DJANGO_SETTINGS_MODULE": "config.testing"}
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True
    )
    port, mail, data = result.stdout.split()
    assert port == "1"
    assert mail == "django.core.mail.backends.filebased.EmailBackend"
    assert data != "/data"


@pytest.mark.parametrize("debug", ["true", "false"])
def test_a_line_of_djangos_log_comes_once(tmp_path: Path, debug: str):
    code = """
import logging, django
django.setup()
logging.getLogger("django.dispatch").error("a line")
"""
    environment = os.environ | {
        "DJANGO_DEBUG": debug,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DJANGO_SECRET_KEY": "s" * 60,
        "DJANGO_ALLOWED_HOSTS": "example.com",
        "PROJECT_NAME": "shop",
        "DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", code]
    answer = subprocess.run(
        command, env=environment, cwd=settings.BASE_DIR, capture_output=True, text=True
    )
    assert answer.stderr.count("a line") == 1, answer.stderr
