"""The whole stack of the tour under load: what is killed, stopped and restarted in it."""

import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import psycopg
import pytest
import redis
from environment.running_stack import RunningStack
from environment.small_project import wait_for
from otlp_receiver import Receiver

from slipway import client, project, system

LOAD = Path(__file__).with_name("load.py")
# Every mail leaves within a minute of the sweep, the lease of a mail that a killed worker was
# sending, and what a loaded machine needs.
PATIENCE = 150
SERVERS = sorted({"postgres", "redis", "temporal"} & {*project.process_names()})
pytestmark = pytest.mark.timeout(2 * PATIENCE)
WORKERS = ("celery-mail", "celery-worker", "temporal-worker")


class Tour(RunningStack):
    """The stack, and what is done to it."""

    def load(self, *arguments: str) -> subprocess.Popen:
        path = os.pathsep.join([str(project.ROOT), str(LOAD.parent)])
        env = self.env | {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": path}
        env["DEV_ROOT"] = str(project.ROOT)
        return subprocess.Popen(
            [sys.executable, LOAD, *arguments],
            cwd=project.ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def socket(self) -> str:
        return str(project.socket_path(self.env["DATA_DIR"]))

    def pids(self, name: str) -> list[int]:
        """The program of a process, with its children, but without what starts it anew."""
        mine = system.with_environment(f"PC_SOCKET_PATH={self.socket}")
        named = system.with_environment(f"PC_PROC_NAME={name}")
        helpers = ("reload.py", "ready.py", "heartbeat.sh", "sh -c")
        return [
            pid
            for pid in mine.keys() & named.keys()
            if not any(helper in system.command(pid) for helper in helpers)
        ]

    def signal(self, name: str, signum: int) -> None:
        """Send a signal to all of a process, which must be there."""
        for pid in wait_for(lambda: self.pids(name)):
            with contextlib.suppress(ProcessLookupError):  # it went with another one
                os.kill(pid, signum)

    def is_ready(self) -> bool:
        processes = client.processes(self.socket)
        return bool(processes) and all(process.ready for process in processes)

    def welcomes(self, prefix: str) -> Counter:
        """How often each of those who signed up was welcomed, by the files of the e-mails."""
        found: Counter = Counter()
        for file in (self.data_dir / "mail").glob("*.log"):
            text = file.read_text()
            if "\nSubject: Welcome!" in text:
                for line in text.splitlines():
                    if line.startswith(f"To: {prefix}-"):
                        found[line] += 1
        return found

    def spans(self, name: str) -> list[dict]:
        """All that is kept of the newest story that begins so, in the order of their starts."""
        story = "SELECT trace FROM span WHERE root AND name = ? ORDER BY started DESC LIMIT 1"
        with contextlib.closing(sqlite3.connect(self.data_dir / "telemetry.sqlite3")) as db:
            db.row_factory = sqlite3.Row
            query = f"SELECT * FROM span WHERE trace = ({story}) ORDER BY started"
            return [dict(row) for row in db.execute(query, [name])]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    """The stack, ready. Its data folder has a name that a shell or an address reads otherwise."""
    disk = tmp_path_factory.mktemp("tour")
    stack = Tour(disk / "a#b?c%41$HOME")
    with contextlib.ExitStack() as at_the_end:
        # A disk of its own, which can be filled. It takes root.
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "disk", disk])
        if mounted.returncode == 0:
            at_the_end.callback(subprocess.run, ["umount", "--lazy", disk], check=True)
        stack.viewer = Receiver()
        stack.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.viewer.url
        at_the_end.callback(stack.viewer.close)
        at_the_end.callback(stack.command, "down")
        started = stack.command("up", "-D")
        assert started.returncode == 0, started.stdout
        waited = stack.command("wait", "--timeout", "120")
        assert waited.returncode == 0, waited.stdout
        yield stack


@pytest.fixture
def count(request: pytest.FixtureRequest) -> int:
    """How many sign-ups, or orders, a fault meets."""
    return 300 if request.config.getoption("--all") else 40


@pytest.fixture
def under_sign_ups(tour: Tour, count: int, fault_report: Callable) -> Callable:
    """A function that breaks something while people sign up, and counts their e-mails then."""

    def under_sign_ups(fault: str, times: int, harm: Callable[[], object]) -> None:
        prefix = f"visitor{random.randrange(10**9)}"
        visitors = tour.load("sign-ups", prefix, str(count))
        wait_for(lambda: tour.welcomes(prefix), timeout=60)
        harm()
        start = time.monotonic()
        _, errors = visitors.communicate(timeout=PATIENCE)
        assert visitors.returncode == 0, errors
        wait_until(lambda: len(tour.welcomes(prefix)) == count and tour.is_ready())
        welcomes = tour.welcomes(prefix)
        lost, doubled = count - len(welcomes), welcomes.total() - len(welcomes)
        took = f"{time.monotonic() - start:.1f}"
        fault_report(fault, times, f"{count} sign-ups", lost, doubled, took)
        assert lost == 0
        assert tour.is_ready()
        # A kill between the mail server's yes and the row's mark doubles an e-mail.
        assert doubled <= times

    return under_sign_ups


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until it holds, or for `PATIENCE` seconds: what is missing then is counted as lost."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)


def test_one_story_of_a_sign_up(tour: Tour):
    """Across attempts that fail, a worker that is killed, and one that replays the workflow."""
    sign_up, order = "POST accounts/signup/", "POST orders/"
    welcome = "process tasks.emails.send_welcome_email"
    mails, away = tour.data_dir / "mail", tour.data_dir / "mail-away"
    number = random.randrange(10**9)
    email, lamp = f"ada{number}@example.com", f"lamp{number}"
    visitor = build_opener(HTTPCookieProcessor(CookieJar()))

    def send(page: str, to: str = "", **fields: str) -> None:
        text = visitor.open(f"{tour.url}/{page}").read().decode()
        hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|token)" value="(.+?)"', text))
        visitor.open(f"{tour.url}/{to or page}", urlencode(hidden | fields).encode())

    def named(name: str, story: str = sign_up) -> list[dict]:
        return [span for span in tour.spans(story) if span["name"] == name]

    with psycopg.connect(
        host="127.0.0.1",
        port=tour.ports["POSTGRES_PORT"],
        user="postgres",
        passfile=tour.data_dir / "postgres" / "passfile",
        autocommit=True,
    ) as db:
        # No mail can be sent, and Celery's worker for mails does not try: Temporal's does, in vain.
        mails.mkdir(exist_ok=True)
        mails.rename(away)
        mails.touch()
        tour.signal("celery-mail", signal.SIGSTOP)
        password = dict.fromkeys(["password1", "password2"], "difference-engine")
        send("accounts/signup/", name="Ada Byron", email=email, **password)
        wait_for(lambda: [span for span in named("e-mail welcome") if span["error"]])
        mails.unlink()
        away.rename(mails)
        # Celery's is killed in the middle of its task.
        with db.transaction():
            db.execute("LOCK TABLE outbox_email IN ACCESS EXCLUSIVE MODE")
            tour.signal("celery-mail", signal.SIGCONT)
            wait_for(lambda: named(welcome))
            tour.signal("celery-mail", signal.SIGKILL)
            # It need not wait for the back-off.
            waiting = "kind = 'welcome' AND claim IS NULL AND sent_at IS NULL"
            db.execute(f"UPDATE outbox_email SET not_before = now() WHERE {waiting}")
        add = "INSERT INTO orders_product (name, price, stock) VALUES (%s, 1, 1) RETURNING id"
        product = str(db.execute(add, [lamp]).fetchone()[0])
        db.execute("UPDATE accounts_user SET email_confirmed_at = now() WHERE email = %s", [email])
    send("orders/", product=product, quantity="1", address="1 Long Street")
    wait_for(lambda: "Welcome!" in tour.mails_to(email) and len(named(welcome)) > 1, timeout=60)
    wait_for(lambda: named("e-mail receipt", order), timeout=60)
    runs = named("RunWorkflow:UserOnboardingWorkflow")
    # A viewer never gets what a worker has not sent when it is killed.
    done = {span["id"] for span in tour.spans(sign_up) if span["ended"]}
    wait_for(lambda: done <= tour.viewer.spans.keys(), timeout=30)
    tour.signal("temporal-worker", signal.SIGKILL)
    send("workflows/onboarding/", to="workflows/onboarding/skip-wait/")
    wait_for(lambda: named("CompleteWorkflow:UserOnboardingWorkflow"), timeout=60)

    asked = [sys.executable, "manage.py", "story", "--last", "--path", "signup", "--failed"]
    env = tour.env | {"DEV_ROOT": str(project.ROOT)}
    told = subprocess.check_output(asked, cwd=project.ROOT, env=env, text=True)
    assert re.search(rf"{welcome} \[celery-mail \d+\] attempt 1 .*killed", told)
    story = tour.spans(sign_up)
    assert len({span["process"] for span in story}) >= 4
    for spans in (story, tour.spans(order)):
        ids = {span["id"] for span in spans}
        assert [span["name"] for span in spans if span["parent"] not in ids] == [spans[0]["name"]]
    killed, again, *_ = named(welcome)
    assert (killed["error"], killed["parent"]) == ("killed", again["parent"])
    assert killed["process"] != again["process"]
    assert named(welcome.replace("process", "send"))[0]["id"] == again["parent"]
    attempts = Counter(span["parent"] for span in named("RunActivity:send_email"))
    follow_up, several = sorted(attempts.values())
    assert follow_up == 1 < several
    # Its replay tells nothing anew.
    assert len(named("RunWorkflow:UserOnboardingWorkflow")) == len(runs) > 0
    assert [span["error"] for span in named("e-mail follow-up")] == [None]

    # A viewer gets the same, but for what has no end.
    ended = {span["id"]: span for span in story if span["ended"]}
    wait_for(lambda: ended.keys() <= tour.viewer.spans.keys(), timeout=30)
    assert killed["id"] not in tour.viewer.spans
    for id, span in ended.items():
        sent = tour.viewer.spans[id]
        assert (sent.name, sent.trace_id.hex()) == (span["name"], span["trace"])
        assert sent.parent_span_id.hex() == (span["parent"] or "")
    assert story[0]["trace"] in {line.trace_id.hex() for line in tour.viewer.lines}
    told += f"{story}{tour.spans(order)}{tour.viewer.spans}"
    for private in (email, "Ada Byron", "Long Street", "difference-engine", "Good to have you"):
        assert private not in told


def test_workers_killed_at_random(tour: Tour, under_sign_ups: Callable):
    def harm() -> None:
        for _ in range(4):
            tour.signal(random.choice(WORKERS), signal.SIGKILL)
            time.sleep(1)

    under_sign_ups("a worker killed at random", 4, harm)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_is_killed(tour: Tour, under_sign_ups: Callable, server: str):
    under_sign_ups(f"{server} killed", 1, lambda: tour.signal(server, signal.SIGKILL))


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_is_stopped_for_a_while(tour: Tour, under_sign_ups: Callable, server: str):
    def harm() -> None:
        tour.signal(server, signal.SIGSTOP)
        time.sleep(4)
        tour.signal(server, signal.SIGCONT)

    under_sign_ups(f"{server} silent for 4 s", 1, harm)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_is_restarted(tour: Tour, under_sign_ups: Callable, server: str):
    under_sign_ups(f"just restart {server}", 1, lambda: tour.command("restart", server))


@pytest.mark.long
def test_a_deploy_tells_the_workers_to_end(tour: Tour, under_sign_ups: Callable):
    under_sign_ups("SIGTERM to all workers", 1, lambda: tour.command("restart", *WORKERS))


@pytest.mark.long
def test_messages_that_nobody_can_read(tour: Tour, under_sign_ups: Callable):
    broker = redis.Redis(port=tour.ports["REDIS_PORT"], db=1)
    unknown = {"body": "e30=", "headers": {"task": "nobody.knows", "id": "1"}, "properties": {}}

    def harm() -> None:
        for poison in ("", "{", "[]", "null", json.dumps(unknown)):
            broker.lpush("celery", poison)
            broker.lpush("mail", poison)

    under_sign_ups("messages that cannot be read", 10, harm)


@pytest.mark.long
def test_the_disk_is_full_for_a_while(tour: Tour, under_sign_ups: Callable):
    filling = tour.data_dir.parent / "filling"
    if not filling.parent.is_mount():
        pytest.skip("There is no disk of its own without root.")

    def harm() -> None:
        with filling.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(2**16))
        time.sleep(4)
        filling.unlink()

    under_sign_ups("the disk full for 4 s", 1, harm)


@pytest.mark.long
def test_the_disk_is_read_only_for_a_while(tour: Tour, under_sign_ups: Callable):
    """No file can be opened for writing; what is open stays so."""
    if not tour.data_dir.parent.is_mount():
        pytest.skip("Nothing can be mounted without root.")

    def harm() -> None:
        subprocess.run(["mount", "--bind", tour.data_dir, tour.data_dir], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", tour.data_dir], check=True)
        time.sleep(4)
        subprocess.run(["umount", "--lazy", tour.data_dir], check=True)

    under_sign_ups("the disk read-only for 4 s", 1, harm)


@pytest.mark.long
def test_a_process_that_hangs_is_not_ready(tour: Tour):
    """Servers within 15 seconds, what has a heartbeat within 45."""
    running = [p.name for p in client.processes(tour.socket) if p.status == "Running"]
    start = time.monotonic()
    for name in running:
        tour.signal(name, signal.SIGSTOP)
    wait_for(
        lambda: not any(p.ready for p in client.processes(tour.socket) if p.name in running),
        timeout=60,
    )
    assert time.monotonic() - start < 50
    for name in running:
        tour.signal(name, signal.SIGCONT)
    wait_for(tour.is_ready, timeout=60)


@pytest.mark.long
def test_twenty_thousand_tasks_wait(tour: Tour, under_sign_ups: Callable):
    """They hold up nobody's e-mail for long, and Flower keeps but the last of them."""
    tour.load("sign-ups", "first", "1").communicate()
    (flower,) = tour.pids("flower")
    before = resident(flower)

    under_sign_ups("20,000 tasks queued", 1, lambda: tour.load("tasks", "first", "20000").wait())

    broker = redis.Redis(port=tour.ports["REDIS_PORT"], db=1)
    wait_until(lambda: broker.llen("mail") == 0)
    assert resident(flower) - before < 60


def resident(pid: int) -> int:
    """The MiB of memory that a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024


@pytest.mark.long
def test_down_and_up_in_the_middle(tour: Tour, under_sign_ups: Callable):
    def harm() -> None:
        for arguments in (["down"], ["up", "-D"]):
            done = tour.command(*arguments)
            assert done.returncode == 0, done.stdout

    under_sign_ups("just down, just up", 1, harm)


@pytest.mark.long
def test_the_worker_of_orders_is_killed(tour: Tour, count: int, fault_report: Callable):
    prefix = f"lamp{random.randrange(10**9)}"
    customer = tour.load("orders", prefix, str(count))
    for _ in range(3):
        time.sleep(1.5)  # the load goes on meanwhile
        tour.signal("temporal-worker", signal.SIGKILL)
    start = time.monotonic()
    _, errors = customer.communicate(timeout=PATIENCE)
    assert customer.returncode == 0, errors

    done, parcels, left = 0, 0, count

    def all_done() -> bool:
        nonlocal done, parcels, left
        done, parcels, left = json.loads(tour.load("ordered", prefix).communicate()[0])
        return done == count

    wait_until(all_done)
    took = f"{time.monotonic() - start:.1f}"
    fault_report(
        "temporal-worker killed", 3, f"{count} orders", count - parcels, parcels - count, took
    )
    assert (done, parcels, left) == (count, count, 0)
