"""The variables that say how to reach Temporal."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.debug import SafeExceptionReporterFilter
from temporalio.service import TLSConfig

from workflows.connection import connect_options


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)


def test_the_defaults_are_the_development_server():
    assert connect_options("127.0.0.1:7233") == {
        "target_host": "127.0.0.1:7233",
        "namespace": "default",
    }


def test_variables_are_honoured(monkeypatch):
    monkeypatch.setenv("TEMPORAL_ADDRESS", "shop.abc.tmprl.cloud:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "shop.abc")
    monkeypatch.setenv("TEMPORAL_API_KEY", "key")
    assert connect_options("127.0.0.1:7233") == {
        "target_host": "shop.abc.tmprl.cloud:7233",
        "namespace": "shop.abc",
        "api_key": "key",
        "tls": True,
    }


@pytest.mark.parametrize(
    "name", ["TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_TLS"]
)
def test_a_blank_variable_is_not_set(monkeypatch, name):
    monkeypatch.setenv(name, " ")
    assert connect_options("127.0.0.1:7233") == connect_options("127.0.0.1:7233")
    assert set(connect_options("127.0.0.1:7233")) == {"target_host", "namespace"}


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [
        ("TEMPORAL_ADDRESS", "localhost", "127.0.0.1:7233"),
        ("TEMPORAL_ADDRESS", "http://localhost:7233", "127.0.0.1:7233"),
        ("TEMPORAL_ADDRESS", "localhost:99999", "127.0.0.1:7233"),
        ("TEMPORAL_ADDRESS", "localhost:07233", "127.0.0.1:7233"),
        ("TEMPORAL_NAMESPACE", "a b", "a name of letters"),
        ("TEMPORAL_TLS", "maybe", "true or false"),
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", "/no/such/file", "a file that exists"),
        ("TEMPORAL_CONFIG_FILE", "/no/such/file", "a file that exists"),
    ],
)
def test_a_malformed_variable_is_named(monkeypatch, name, value, form):
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name) as raised:
        connect_options("127.0.0.1:7233")
    assert value in str(raised.value)
    assert form in str(raised.value)


@pytest.mark.parametrize(("name", "value"), [("TEMPORAL_API_KEY", "key"), ("TEMPORAL_TLS", "true")])
def test_what_the_development_server_does_not_know_wants_an_address(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match="TEMPORAL_ADDRESS= is not set"):
        connect_options("127.0.0.1:7233")


def test_the_developers_own_configuration_is_not_read_unless_asked_for(monkeypatch, tmp_path):
    file = tmp_path / "temporalio" / "temporal.toml"
    file.parent.mkdir()
    file.write_text('[profile.default]\naddress = "cloud:7233"\napi_key = "secret"\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert connect_options("127.0.0.1:7233")["target_host"] == "127.0.0.1:7233"
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    assert connect_options("127.0.0.1:7233")["target_host"] == "cloud:7233"


def test_error_reports_do_not_show_the_key(settings):
    settings.TEMPORAL_API_OPTIONS = {"tls": TLSConfig(client_private_key=b"secret")}
    assert "secret" not in str(SafeExceptionReporterFilter().get_safe_settings())


def test_an_unknown_profile_is_named(monkeypatch):
    monkeypatch.setenv("TEMPORAL_PROFILE", "nobody")
    with pytest.raises(ImproperlyConfigured, match=r"TEMPORAL_PROFILE.*nobody"):
        connect_options("127.0.0.1:7233")


def test_a_command_ends_with_one_line():
    result = subprocess.run(
        [sys.executable, "manage.py", "run_temporal_worker"],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {"TEMPORAL_ADDRESS": "nowhere", "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
    )
    assert result.returncode != 0
    assert result.stderr.count("\n") == 1
    assert "TEMPORAL_ADDRESS=nowhere is not a host and a port" in result.stderr


def test_by_default_clients_go_where_the_server_listens_and_browsers_to_localhost(settings):
    """On ::1, which localhost may mean too, another program can listen."""
    assert settings.TEMPORAL_API_OPTIONS["target_host"] == "127.0.0.1:1"
    assert settings.TEMPORAL_UI_URL == "http://localhost:1"
