"""The site and its servers on one host, everything that works for it on another.

As in production: DEBUG is off, each process is started by its own command, and all it gets is
variables. No host reaches the other's disk.
"""

import contextlib
import ctypes
import quopri
import re
import sys
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar, DefaultCookiePolicy

import pytest
from temporal_processes import wait_until
from two_hosts_processes import Host, postgres

from tasks.fixtures import redis_program
from workflows.fixtures import program

PASSWORD = "difference-engine"
# As the servers get it, and as it stands in an address.
SECRET = "p@ss/w:rd#?%"
QUOTED = urllib.parse.quote(SECRET, safe="")

# What the shop has in its database besides: staff, something to sell, and a clean-up that does not
# wait for the night.
SHOP = f"""
from accounts.models import User
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from orders.models import Product
User.objects.create_superuser("grace@example.com", {PASSWORD!r}, name="Grace")
Product.objects.create(name="Kettle", price=39, stock=20)
second = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.SECONDS)
PeriodicTask.objects.filter(name="Clean up").update(crontab=None, interval=second)
"""
# And a provider that takes its money: the one of the example refuses to without DEBUG.
PROVIDER = """

def refusal() -> str:
    return ""
"""


def start_servers(site: Host) -> None:
    """PostgreSQL, Redis and Temporal, for whoever reaches this host and knows the password."""
    address, data, file = site.address, site.folder / "postgres", site.folder / "password"
    file.write_text(SECRET)
    options = ["-U", "shop", "-A", "scram-sha-256", "--pwfile", file, "--no-sync"]
    options += ["-E", "UTF8", "--locale=C.UTF-8"]
    made = site.start("postgres", *postgres("initdb", "-D", data, *options))
    site.start(
        *("redis", redis_program(), "--bind", address, "--requirepass", SECRET),
        *("--save", "", "--dir", site.folder),
    )
    site.start(
        *("temporal", program("temporal"), "server", "start-dev", "--headless"),
        # Its parts look for each other on 127.0.0.1, so one address alone would not do.
        *("--ip", "0.0.0.0", "--log-level", "error"),
    )
    assert made.wait(60) == 0, site.said("postgres")
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.77.0.0/24 scram-sha-256\n")
    options = ["-h", address, "-c", "unix_socket_directories=", "-c", "fsync=off"]
    site.start("postgres", *postgres("postgres", "-D", data, *options))
    ready = "database system is ready"
    wait_until(lambda: ready in site.said("postgres"), "PostgreSQL", timeout=60)


def variables(host: Host, site: Host) -> dict[str, str]:
    """All that a process of the project is told."""
    return {
        "PROJECT_NAME": "shop",
        "DJANGO_SECRET_KEY": "Qm9yZWQgb2Ygc2VjcmV0cywgYnV0IGxvbmcgZW5vdWdoIGZvciBhIGNoZWNr",
        "DJANGO_ALLOWED_HOSTS": site.address,
        "DJANGO_BEHIND_PROXY": "true",
        "DATABASE_URL": f"postgres://shop:{QUOTED}@{site.address}:5432/postgres",
        "CELERY_BROKER_URL": f"redis://:{QUOTED}@{site.address}:6379/1",
        "CELERY_KEY_PREFIX": "shop:",
        "TEMPORAL_ADDRESS": f"{site.address}:7233",
        "EMAIL_URL": f"filemail:///{host.folder}/mail",
    }


class Visitor:
    """Somebody with a browser, on the host of the workers; a proxy has ended their TLS."""

    def __init__(self, host: Host, site: Host) -> None:
        self.site = f"{site.address}:8000"
        cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self.browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(cookies), urllib.request.ProxyHandler({})
        )
        self.browser.addheaders = [
            ("X-Forwarded-Proto", "https"),
            ("Referer", f"https://{self.site}/"),
        ]
        # A thread may be in another network than its process.
        self.thread = ThreadPoolExecutor(1, initializer=enter, initargs=[host.name])

    def get(self, path: str, form: dict[str, str] | None = None) -> str:
        data = urllib.parse.urlencode(form).encode() if form else None
        address = f"http://{self.site}{path}"
        answer = self.thread.submit(lambda: self.browser.open(address, data, timeout=20))
        with answer.result() as page:
            self.path = urllib.parse.urlsplit(page.url).path
            return page.read().decode()

    def send(self, path: str, to: str = "", **fields: str) -> str:
        """Fill in the form of a page, send it, and return the page that follows."""
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', self.get(path))
        return self.get(to or path, dict(hidden) | fields)

    def sees(self, text: str, path: str = "") -> str:
        """Look at the page again and again until it shows this."""
        path = path or self.path

        def look() -> str | None:
            with contextlib.suppress(OSError):  # it is being started
                page = self.get(path)
                return page if re.search(text, page) else None

        return wait_until(look, f"{text} at {path}", timeout=60)


def enter(namespace: str) -> None:
    """Take this thread to another network."""
    with open(f"/run/netns/{namespace}") as file:
        assert ctypes.CDLL(None).setns(file.fileno(), 0) == 0


def stories(grace: Visitor, ada: Visitor, work: Host) -> None:
    """Every use case of the tour, as its people see it."""

    def arrives(subject: str) -> None:
        headers = (f"Subject: {subject}\n", "To: ada@example.com\n")
        wait_until(
            lambda: any(all(line in mail for line in headers) for mail in work.mails()),
            f"the e-mail {subject}",
            timeout=60,
        )

    grace.sees('"redis": "ok", "temporal": "ok"', "/health/")
    account = {"name": "Ada", "email": "ada@example.com"}
    account |= {"password1": PASSWORD, "password2": PASSWORD}
    assert "Welcome, Ada!" in ada.send("/accounts/signup/", **account)
    grace.send("/accounts/login/", username="grace@example.com", password=PASSWORD)

    arrives("Welcome!")
    mail = quopri.decodestring("".join(work.mails())).decode()
    (link,) = re.findall(r"/accounts/confirm/\S+", mail)
    assert "ada@example.com is confirmed" in ada.send(link)
    ada.get("/workflows/onboarding/")
    page = ada.sees("Waiting until")
    skip_wait = re.search(r'action="([^"]+/skip-wait/)"', page)[1]
    assert "The follow-up is on its way" in ada.send(ada.path, skip_wait)
    order = {"product": "1", "quantity": "1", "address": "1 Dorset Street"}
    ada.send("/orders/", **order)
    ada.send("/orders/", **order | {"quantity": "13", "address": "2 Dorset Street"})
    ada.send("/approvals/", what="A telescope")
    grace.get("/approvals/")
    approval = re.search(r'"(/approvals/\d+/)"', grace.get("/approvals/"))[1]
    grace.send(approval, answer="approve", reason="For the comets.")
    grace.send("/exports/")
    export = grace.sees("Download", "/exports/")
    link = re.search(r'"(/exports/[^"]+/download/)"', export)[1]
    assert "ada@example.com" in grace.get(link)
    grace.send("/announcements/", subject="The engine runs", text="Come and see.")
    grace.sees("<h2>Done")
    grace.send("/reports/")
    grace.sees("Sign-ups")

    ada.sees("shipped", "/orders/")
    ada.sees("the card.{1,9}s limit is 500", "/orders/")
    ada.sees("19 in stock", "/orders/")
    ada.sees("approved", "/approvals/")
    for subject in ("How's it going?", "Your order 1", "The engine runs"):
        arrives(subject)
    cleaned = r"tasks.cleanup.clean_up\[.*\] succeeded"
    wait_until(lambda: re.search(cleaned, work.said("worker")), "the clean-up", timeout=60)


@pytest.mark.timeout(300)
def test_every_use_case_works_on_two_hosts(two_hosts: tuple[Host, Host]):
    site, work = two_hosts
    start_servers(site)
    for host in two_hosts:
        host.env |= variables(host, site)
        with (host.project / "orders" / "payments.py").open("a") as file:
            file.write(PROVIDER)

    steps = [site.manage("migrate", "--no-input"), site.manage("collectstatic", "--no-input")]
    assert [step.wait(60) for step in steps] == [0, 0], site.said("manage")
    assert site.manage("shell", "-c", SHOP).wait(60) == 0, site.said("manage")
    address = f"{site.address}:8000"
    site.start("web", "gunicorn", "config.wsgi", "--bind", address, "--threads", "8")
    work.celery("worker", "-l", "info")
    work.celery("beat", "-l", "info")
    work.start("temporal-worker", sys.executable, "manage.py", "run_temporal_worker")

    grace, ada = Visitor(work, site), Visitor(work, site)
    try:
        stories(grace, ada, work)
    except BaseException:
        for host in two_hosts:
            for log in host.folder.glob("*.log"):
                print(f"--- {host.name} {log.stem}\n{log.read_text()[-3000:]}")
        raise
    assert site.mails() == []
    assert not (site.project / ".data").exists()
    assert not (work.project / ".data").exists()
