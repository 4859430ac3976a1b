"""Downloads, with errors that say what to do."""

import hashlib
import http.client
import os
import socket
import ssl
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from steps import SetupError, Step

TIMEOUT = 15  # seconds, for each socket operation
ATTEMPTS = 3


class Unreachable(SetupError):
    """The network, or the server, does not hand the file out."""


def check_reachable(url: str) -> None:
    """Raises Unreachable if no TCP connection to the host of `url`, or to its proxy, can be made.

    Without this check Go would try for minutes and then fail in its own words.
    """
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
            f"it is not the file that .slipway/tools/{named_in} names. Something on the way\n"
            f"changed it, or {named_in} is damaged. Its SHA-256 is {found},\n"
            f"expected was {sha256}."
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
    if path := os.environ.get("SSL_CERT_FILE"):
        hint = f"SSL_CERT_FILE is {path}: is that the file of your network's authorities?"
    else:
        hint = (
            "Install the package ca-certificates. If your network has its own certificate\n"
            "authority, set SSL_CERT_FILE to the file that holds it."
        )
    return SetupError(f"No trusted connection to {urlsplit(url).hostname}: {reason}\n{hint}")
