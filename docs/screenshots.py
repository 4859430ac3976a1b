# /// script
# requires-python = ">=3.11"
# dependencies = ["playwright==1.*"]
# ///
"""Takes the README's screenshot: the start page of a stack that has just welcomed somebody.

    just screenshots

Needs Chromium on PATH. Runs beside a running stack: on free ports, with data of its own.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE.parent / "template"


def free_ports() -> dict[str, str]:
    """A free port for each variable that a file in services/ takes one from."""
    texts = [file.read_text() for file in (TEMPLATE / "services").glob("*.yaml")]
    probes = {name: socket.socket() for name in re.findall(r"\$\{(\w*PORT):-", "".join(texts))}
    for probe in probes.values():
        probe.bind(("127.0.0.1", 0))
    ports = {name: str(probe.getsockname()[1]) for name, probe in probes.items()}
    for probe in probes.values():
        probe.close()
    return ports


def sign_up(page: Page, site: str) -> None:
    page.goto(f"{site}/accounts/signup/")
    page.locator("[name=name]").fill("Ada Lovelace")
    page.locator("[name=email]").fill("ada@example.com")
    for field in page.locator("input[type=password]").all():
        field.fill("correct horse battery staple")
    page.locator("main button").click()


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not on PATH (Debian: apt install chromium).")
    with tempfile.TemporaryDirectory() as data:
        env = {**os.environ, **free_ports(), "DATA_DIR": data, "PROJECT_NAME": "slipway"}
        site = f"http://localhost:{env['DJANGO_PORT']}"

        def just(*arguments: str) -> None:
            if subprocess.run(["just", *arguments], cwd=TEMPLATE, env=env).returncode:
                sys.exit(f"No screenshot, because of: just {' '.join(arguments)}")

        just("up", "-D")
        try:
            just("wait")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium)
                page = browser.new_page(viewport={"width": 800, "height": 600})
                sign_up(page, site)
                page.goto(site)
                page.screenshot(path=HERE / "start.png", full_page=True)
                browser.close()
        finally:
            just("down")
    print(f"{HERE / 'start.png'} is new. Look at it before you commit it.")


if __name__ == "__main__":
    main()
