"""Visitors who sign up, time after time: `python visitors.py VISITORS SIGN_UPS PORT [PORT …]`.

With several ports, each goes to all of them in turn: a machine that is twice as fast in one second
as in another is so for each. Before the next sign-up they read, ten of them for half a second, one
alone until what was put off has been done there: it must not slow the other port. Prints, for each
port, the 95th percentile and the median of the sign-ups' requests, and the median of those for the
page with the form, in milliseconds.
"""

import random
import re
import statistics
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlencode

visitors, count, *ports = map(int, sys.argv[1:])


def visit(number: int) -> list[tuple[float, float]]:
    """Sign up on each port, with another one first each time."""
    first = number % len(ports)
    found = {port: sign_up(port) for port in ports[first:] + ports[:first]}
    return [found[port] for port in ports]


def sign_up(port: int) -> tuple[float, float]:
    """Sign up as somebody new; return the milliseconds for the page, and of the request itself."""
    browser = HTTPConnection("127.0.0.1", port, timeout=60)
    # Behind a proxy, each with an address of its own.
    address = ".".join(str(random.randrange(1, 255)) for _ in range(4))  # noqa: S311
    proxy = {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
    start = time.perf_counter()
    browser.request("GET", "/accounts/signup/", headers=proxy)
    page = browser.getresponse()
    text, read = page.read().decode(), time.perf_counter() - start
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)[1]
    fields = {"name": "Ada", "email": f"{uuid.uuid4().hex}@example.com"}
    fields |= dict.fromkeys(("password1", "password2"), "difference-engine")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    form |= proxy | {"Origin": f"https://127.0.0.1:{port}"}
    data = urlencode(fields | {"csrfmiddlewaretoken": token})
    start = time.perf_counter()
    browser.request("POST", "/accounts/signup/", data, form)
    answer = browser.getresponse()
    taken = time.perf_counter() - start
    if answer.status != 302:
        raise SystemExit(f"The sign-up was answered with {answer.status}.")
    time.sleep(random.uniform(0.25, 0.75) if visitors > 1 else 0.3)  # noqa: S311
    return read * 1000, taken * 1000


with ThreadPoolExecutor(visitors) as pool:
    of_ports = zip(*pool.map(visit, range(count)), strict=True)
for found in of_ports:
    pages, times = zip(*found, strict=True)
    print(statistics.quantiles(times, n=20)[-1], *map(statistics.median, (times, pages)))
