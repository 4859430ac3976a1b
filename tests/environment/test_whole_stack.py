"""The real stack of this project, whatever backends it has, from outside."""

import json
from urllib.request import urlopen

import pytest

from environment.running_stack import RunningStack
from environment.small_project import wait_for


def test_everything_that_is_declared_is_ready(running_stack):
    status = json.loads(running_stack.command("status", "-o", "json").stdout)

    assert {"setup", "django"} <= {process["name"] for process in status}
    assert [process["name"] for process in status if not process["ready"]] == []
    assert [p["name"] for p in status if p["status"] == "Disabled"] == ["web"]


def test_the_start_page_shows_each_process_as_ready(running_stack):
    status = json.loads(running_stack.command("status", "-o", "json").stdout)

    page = urlopen(running_stack.url).read().decode()

    table = page.partition('<table class="processes"')[2]
    rows = {row.split("<td>")[1].split("</td>")[0]: row for row in table.split("<tr>")[2:]}
    assert set(rows) == {process["name"] for process in status}
    assert "dot off" in rows.pop("web")  # until it is asked for
    assert all("dot good" in row for row in rows.values())


def test_health_names_every_dependency(running_stack):
    answer = urlopen(f"{running_stack.url}/health/")
    assert answer.status == 200
    health = json.load(answer)
    work = health.pop("work")
    assert set(health.values()) == {"ok"}
    assert {counts["failed"] for counts in work.values()} == {0}


def test_beside_it_runs_the_site_as_in_production(running_stack):
    running_stack.command("restart", "web")
    waited = running_stack.command("wait")
    assert waited.returncode == 0, waited.stdout

    site = f"http://localhost:{running_stack.ports['WEB_PORT']}"
    assert "What runs" in urlopen(running_stack.url).read().decode()
    assert "What runs" not in urlopen(site).read().decode()


@pytest.fixture
def web(tmp_path):
    """The whole stack's database and what `just up web` starts."""
    stack = RunningStack(tmp_path)
    stack.url = f"http://localhost:{stack.ports['WEB_PORT']}"
    try:
        yield stack
    finally:
        assert stack.command("down").returncode == 0


def test_up_web_starts_the_site_as_in_production_alone(web):
    started = web.command("up", "-D", "web")
    assert f"{web.url} starts" in started.stdout
    waited = web.command("wait")
    assert waited.stdout.rstrip().endswith(web.url)

    page = urlopen(web.url).read().decode()
    assert "What runs" not in page  # DEBUG is off
    style = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert "immutable" in urlopen(web.url + style).headers["Cache-Control"]
    status = json.loads(web.command("status", "-o", "json").stdout)
    running = {p["name"] for p in status if p["status"] != "Disabled"}
    assert running - {"postgres"} == {"setup", "web"}


def test_a_sign_up_leads_to_one_welcome(running_stack):
    page = running_stack.sign_up("grace@example.com", name="Grace")
    assert "Welcome, Grace!" in page

    wait_for(lambda: running_stack.mails_to("grace@example.com"), timeout=10)
    assert running_stack.mails_to("grace@example.com") == ["Welcome!"]
