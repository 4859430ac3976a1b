"""Production: its settings, as a process reads them in a new interpreter, and its web server."""

import contextlib
import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from environment.small_project import wait_for
from otlp_receiver import Receiver

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


def test_production_logs_json_and_keeps_no_stories(manage, tmp_path):
    say = "import logging; from opentelemetry import trace\n"
    say += "with trace.get_tracer('x').start_as_current_span('x'): logging.warning('Hi')"
    line = json.loads(manage("shell", "-c", say, **PRODUCTION).stderr.splitlines()[-1])
    assert (line["level"], line["message"]) == ("WARNING", "Hi")
    assert len(line["trace_id"]) == 32
    assert not (tmp_path / "telemetry.sqlite3").exists()


@pytest.mark.parametrize("name", PRODUCTION)
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
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "http://"),
        ("SENTRY_DSN", "…", "a DSN of Sentry: Unsupported scheme"),
        ("DJANGO_PORT", "80000", "a port from 1 to 65535"),
        ("DJANGO_PORT", "http", "a port from 1 to 65535"),
        ("DEFAULT_FROM_EMAIL", "not an address", "an e-mail address"),
        ("DATABASE_URL", "mysterious://host/db", "postgres://"),
        ("EMAIL_URL", "carrier-pigeon://coop", "smtp://"),
        ("DATA_DIR", "/proc/nothing", "a folder"),
        ("CELERY_WORKER_CONCURRENCY", "many", "a number"),
        ("DJANGO_ALLOWED_HOSTS", "https://shop.example.com", "a bare host name"),
        ("DJANGO_ALLOWED_HOSTS", "shop.example.com:8000", "a bare host name"),
        ("DJANGO_CSRF_TRUSTED_ORIGINS", "shop.example.com", "of the form https://"),
    ],
)
def test_a_malformed_variable_is_named_with_its_form(manage, name, value, form):
    result = manage("check", **{"DJANGO_DEBUG": "true"} | {name: value})

    assert result.returncode == 1
    assert result.stderr.startswith(f"manage.py: {name}={value} is not")
    assert form in result.stderr
    assert "Traceback" not in result.stderr


def test_spaces_in_lists_do_no_harm(manage):
    names = ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "FLOWER_ALLOWED_HOSTS")
    code = f"from django.conf import settings; print(*[getattr(settings, n)[-2:] for n in {names}])"
    given = {
        "DJANGO_ALLOWED_HOSTS": " a.example , [::1],",
        "DJANGO_CSRF_TRUSTED_ORIGINS": "https://a.example,  https://*.b.example:8443 ",
        "FLOWER_ALLOWED_HOSTS": " a.example, .b.example",
    }
    result = manage("shell", "-v0", "-c", code, **PRODUCTION | given)
    hosts, origins = ["a.example", "[::1]"], ["https://a.example", "https://*.b.example:8443"]
    assert result.stdout == f"{hosts} {origins} {['a.example', '.b.example']}\n"


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


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, "https://shop.example.com"),
        ({"DJANGO_ALLOWED_HOSTS": ".example.com,b.example.com"}, "https://example.com"),
        (
            {"DJANGO_ALLOWED_HOSTS": "*", "SITE_URL": "https://a.example.com/"},
            "https://a.example.com",
        ),
        ({"DJANGO_DEBUG": "true", "DJANGO_PORT": "8001"}, "http://localhost:8001"),
    ],
)
def test_emails_have_links_to_the_site(manage, variables, address):
    code = "from django.conf import settings; print(settings.SITE_URL)"
    assert manage("shell", "-v0", "-c", code, **PRODUCTION | variables).stdout == f"{address}\n"


def test_emails_have_no_links_to_any_host(manage):
    result = manage("check", **PRODUCTION | {"DJANGO_ALLOWED_HOSTS": "*"})
    assert result.stderr.startswith("manage.py: SITE_URL is not set: DJANGO_ALLOWED_HOSTS names no")


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


def command(variant: str = "") -> list[str]:
    """What the README says that the site is in production, or is as well."""
    readme = (settings.BASE_DIR / "README.md").read_text()
    line = re.search(r"^    (gunicorn config\.wsgi .*)$", readme, re.MULTILINE)[1]
    if variant:
        other = re.search(rf"`(gunicorn config\.{variant} .*?)`", readme)[1]
        line = line.replace("gunicorn config.wsgi", other)
    return shlex.split(line)


def test_static_files_are_collected_in_the_project(manage):
    done = manage("collectstatic", "--dry-run", "--no-input", **PRODUCTION)
    assert f"'{settings.BASE_DIR / 'staticfiles'}" in done.stdout


@pytest.mark.parametrize("entry", ["wsgi", "asgi"])
def test_servers_need_not_be_told_the_settings(entry, tmp_path):
    code = f"from config import {entry}; from django.conf import settings; print(settings.DEBUG)"
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)} | PRODUCTION
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=settings.BASE_DIR, env=env, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def own_static_files(folder: Path) -> dict[str, str]:
    """The environment of a site that keeps everything below this folder."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parent),
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "settings_with_own_static_files",
    }


class Gunicorn:
    """The site as it is served in production, behind a proxy that ends TLS."""

    def __init__(self, folder: Path, variant: str = "", **variables: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        start = [
            word.replace("0.0.0.0:8000", f"127.0.0.1:{self.port}") for word in command(variant)
        ]
        self.log = folder / f"gunicorn-{self.port}.log"
        environment = {"HOME": str(folder), "CELERY_BROKER_URL": "redis://127.0.0.1:1/1"}
        environment["TEMPORAL_ADDRESS"] = "127.0.0.1:1"
        environment |= own_static_files(folder)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *start],
                cwd=settings.BASE_DIR,
                env=environment | variables,
                stdout=output,
                stderr=output,
            )

    def ask(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """Ask as the proxy does, or with other headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"host": "shop.example.com", "x-forwarded-proto": "https"} | headers
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def wait_until_live(self) -> None:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                if self.ask("/health/live/").status == 200:
                    return
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def start_gunicorn(tmp_path_factory) -> Iterator[Callable[..., Gunicorn]]:
    folder = tmp_path_factory.mktemp("production")
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"],
        cwd=settings.BASE_DIR,
        env=own_static_files(folder) | PRODUCTION,
        check=True,
    )
    started = []

    def start(variant: str = "", **variables: str) -> Gunicorn:
        started.append(Gunicorn(folder, variant, **variables))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def gunicorn(start_gunicorn, request, tmp_path_factory) -> Gunicorn:
    variant = request.param if request.param != "wsgi" else ""
    database = f"sqlite:///{tmp_path_factory.mktemp('site')}/db.sqlite3"
    variables = PRODUCTION | {"DATABASE_URL": database, "DJANGO_BEHIND_PROXY": "true"}
    server = start_gunicorn(variant, **variables)
    server.wait_until_live()
    return server


def test_it_serves_the_site_and_its_static_files(gunicorn):
    page = gunicorn.ask("/")
    assert page.status == 200
    assert "<title>shop" in page.text
    style = gunicorn.ask(re.search(r'href="(/static/[^"]*\.css)"', page.text)[1])
    assert style.status == 200
    assert "immutable" in style.headers["Cache-Control"]


def test_who_comes_without_tls_is_sent_to_https(gunicorn):
    answer = gunicorn.ask("/", **{"x-forwarded-proto": "http"})
    assert (answer.status, answer.headers["Location"]) == (301, "https://shop.example.com/")


def test_health_is_told_whatever_host_is_named_and_nothing_else_is(gunicorn):
    by_address = {"host": "10.1.2.3:8000", "x-forwarded-proto": "http"}
    live, ready, health = (
        gunicorn.ask(path, **by_address) for path in ("/health/live/", "/health/ready/", "/health/")
    )
    assert (live.status, live.text) == (200, "{}")
    assert (ready.status, ready.text) == (200, '{"database": "ok"}')
    # Neither is there here, and pages do without.
    assert health.status == 503
    assert '"database": "ok", "redis": "down", "temporal": "down"' in health.text
    assert "no-store" in ready.headers["Cache-Control"]
    assert "10.1.2.3" not in f"{live.headers}{ready.headers}{health.headers}"

    head = gunicorn.ask("/health/ready/", "HEAD", **by_address)
    assert (head.status, head.text) == (200, "")
    assert gunicorn.ask("/health/live/", "POST", **by_address).status == 405
    for path in ("/", "/health/live/x/", "/health", "//health/live/", "/accounts/login/"):
        assert gunicorn.ask(path, host="10.1.2.3:8000").status == 400


def test_without_its_database_a_site_is_live_and_not_ready(start_gunicorn):
    nowhere = "postgres://ada:hunter2@127.0.0.1:1/shop"
    server = start_gunicorn(**PRODUCTION, DATABASE_URL=nowhere)
    server.wait_until_live()
    ready = server.ask("/health/ready/")
    assert (ready.status, ready.text) == (503, '{"database": "down"}')


def test_an_error_goes_to_sentry_with_its_trace_and_nothing_private(start_gunicorn, tmp_path):
    sentry = Receiver()
    variables = PRODUCTION | {"SENTRY_DSN": sentry.sentry_dsn, "DJANGO_BEHIND_PROXY": "true"}
    site = start_gunicorn(**variables, DATABASE_URL=f"sqlite:///{tmp_path}/no-tables.sqlite3")
    site.wait_until_live()
    assert site.ask("/health/").status == 503
    login = "/accounts/login/?next=ada@example.com"
    assert site.ask(login, cookie="sessionid=ada-s-own-key").status == 500

    wait_for(lambda: sentry.errors)
    logged = map(json.loads, (line for line in site.log.read_text().splitlines() if "{" in line))
    (line,) = [line for line in logged if "exception" in line]
    (event,) = sentry.errors  # that a backend is away is none
    assert event["contexts"]["trace"]["trace_id"] == line["trace_id"]
    assert event["transaction"] == "GET accounts/login/"
    assert event["exception"]["values"][-1]["type"] == "OperationalError"
    frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
    assert "execute" in [frame["function"] for frame in frames]
    for private in ("ada@", "sessionid", "own-key", "no such table", "Qm9yZWQ"):
        assert private not in json.dumps(event)
    sentry.close()


def test_a_line_goes_to_sentry_without_what_is_put_in(manage):
    sentry = Receiver()
    say = """
import logging, os
logging.error('%s is late', 'Ada')
logging.error("to ada@example.com ({'name': 'Ada'})")
logging.getLogger("django.security.RequestDataTooBig").error("Ada sent too much")
try:
    raise ValueError("Ada")
except ValueError as error:
    logging.exception(error)
logging.shutdown()
os._exit(0)  # as workers end
"""
    done = manage("shell", "-c", say, SENTRY_DSN=sentry.sentry_dsn, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    texts = [event.get("logentry", {}).get("message") for event in sentry.errors]
    assert texts == ["%s is late", "to …", None]
    assert sentry.errors[2]["exception"]["values"][0]["type"] == "ValueError"
    assert "Ada" not in json.dumps(sentry.errors)
    sentry.close()


def test_a_sentry_that_says_nothing_holds_nobody_up(manage):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"http://key@127.0.0.1:{silent.getsockname()[1]}/1"
        say = "import logging, time; start = time.monotonic()\n"
        say += "for n in range(500): logging.error('late')\nprint(time.monotonic() - start)"
        start = time.monotonic()
        done = manage("shell", "-v0", "-c", say, SENTRY_DSN=dsn, **PRODUCTION)
    assert done.returncode == 0, done.stderr
    logging_took = float(done.stdout)
    assert logging_took < 5
    # It waits for three seconds; the SDK would go on for as long as nobody answers.
    assert time.monotonic() - start - logging_took < 20


def test_a_request_is_finished_before_it_stops(start_gunicorn):
    server = start_gunicorn(**PRODUCTION, DJANGO_BEHIND_PROXY="true")
    server.wait_until_live()
    token = "t" * 32
    form = f"csrfmiddlewaretoken={token}&username=&password="
    headers = (
        "Host: shop.example.com",
        "X-Forwarded-Proto: https",
        "Connection: close",
        "Origin: https://shop.example.com",
        f"Cookie: csrftoken={token}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(form)}",
        "Expect: 100-continue",
    )
    with socket.create_connection(("127.0.0.1", server.port), 30) as slow:
        slow.sendall("\r\n".join(["POST /accounts/login/ HTTP/1.1", *headers, "", ""]).encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 100 Continue")  # it wants to read the form
        server.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 20
        while "Handling signal: term" not in server.log.read_text():
            assert time.monotonic() < end, server.log.read_text()
            time.sleep(0.05)
        slow.sendall(form.encode())
        answer = b"".join(iter(lambda: slow.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 200 OK")
    assert "This field is required" in answer
    assert answer.rstrip().endswith("</html>")
    assert server.process.wait(20) == 0


def test_it_does_not_start_without_what_must_be_set(start_gunicorn):
    server = start_gunicorn(**PRODUCTION | {"DJANGO_ALLOWED_HOSTS": " "})
    assert server.process.wait(60) != 0
    said = server.log.read_text()
    assert "config.wsgi: DJANGO_ALLOWED_HOSTS is not set: with DEBUG off" in said
    assert "Traceback" not in said
