"""Visitors who sign up, each one time after time: `python visitors.py PORT VISITORS SIGN_UPS`.

Prints the 95th percentile and the median of the requests, in milliseconds.
"""

import http.cookiejar
import random
import re
import statistics
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor


def sign_up(site: str) -> float:
    """Sign up as somebody new; return the milliseconds of the request that does it."""
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(cookies, NoRedirect)
    page = browser.open(f"{site}/accounts/signup/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    fields = {"name": "Ada", "email": f"{uuid.uuid4().hex}@example.com"}
    fields |= dict.fromkeys(("password1", "password2"), "difference-engine")
    data = urllib.parse.urlencode(fields | {"csrfmiddlewaretoken": token}).encode()
    start = time.perf_counter()
    try:
        browser.open(f"{site}/accounts/signup/", data)
    except urllib.error.HTTPError as answer:
        if answer.code == 302:
            taken = time.perf_counter() - start
            time.sleep(random.uniform(0.25, 0.75))  # noqa: S311
            return taken * 1000
        raise
    raise SystemExit("The form came back: the sign-up was refused.")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


site, visitors, count = f"http://127.0.0.1:{sys.argv[1]}", int(sys.argv[2]), int(sys.argv[3])
with ThreadPoolExecutor(visitors) as pool:
    times = list(pool.map(sign_up, [site] * count))
print(statistics.quantiles(times, n=20)[-1], statistics.median(times))
