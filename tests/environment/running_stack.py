"""The running template, for tests that look at it from outside."""

import os
import re
import subprocess
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

from free_ports import free_port

from slipway import dotenv, ports, project


class RunningStack:
    """Everything that `just up` starts, on free ports and with data of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        # What the developer's own .env sets would lead to the developer's own database and servers.
        env = dict(os.environ) | dict.fromkeys(
            [*dotenv.read(project.ROOT / ".env"), "DATABASE_URL"], ""
        )
        env.pop("DJANGO_SETTINGS_MODULE", None)
        self.ports = {port.variable: free_port() for port in ports.declared({})}
        self.env = env | {name: str(number) for name, number in self.ports.items()}
        self.env |= {"DATA_DIR": str(data_dir), "DJANGO_DEBUG": ""}
        self.url = f"http://localhost:{self.ports['DJANGO_PORT']}"

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run `python .slipway …`; its two outputs come as one."""
        return subprocess.run(
            [sys.executable, ".slipway", *arguments],
            cwd=project.ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def sign_up(self, email: str, name: str = "Ada") -> str:
        """Sign up as a visitor would, and return the page that follows."""
        visitor = build_opener(HTTPCookieProcessor(CookieJar()))
        return post(
            visitor,
            f"{self.url}/accounts/signup/",
            name=name,
            email=email,
            password1="difference-engine",
            password2="difference-engine",
        )

    def mails_to(self, email: str) -> list[str]:
        """The subjects of all e-mails that were sent to this address."""
        texts = [file.read_text() for file in (self.data_dir / "mail").glob("*.log")]
        mails = [mail for text in texts for mail in text.split("-" * 79)]
        return [
            re.search(r"^Subject: (.*)$", mail, re.M)[1]
            for mail in mails
            if f"\nTo: {email}\n" in mail
        ]


def post(visitor: OpenerDirector, url: str, **fields: str) -> str:
    """Fill in the form at this address, send it, and return the page that follows."""
    page = visitor.open(url).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    data = urlencode({"csrfmiddlewaretoken": token} | fields).encode()
    return visitor.open(url, data).read().decode()
