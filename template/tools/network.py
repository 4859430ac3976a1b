"""Downloads from the package registries, with errors that say what to do."""

import hashlib
import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from steps import SetupError, Step

TIMEOUT = 15  # seconds, for each socket operation
ATTEMPTS = 3


def check_reachable(url: str) -> None:
    """Raises SetupError if no TCP connection to the host of `url`, or to its proxy, can be made.

    The tools that download try for minutes and then fail in their own words.
    """
    target = urlsplit(url)
    proxy = urllib.request.getproxies().get(target.scheme)
    via = ""
    if proxy and not urllib.request.proxy_bypass(target.hostname or ""):
        target = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        via = "the proxy "
    port = target.port or (443 if target.scheme == "https" else 80)
    try:
        socket.create_connection((target.hostname, port), timeout=TIMEOUT).close()
    except OSError as error:
        raise SetupError(
            f"No network: cannot connect to {via}{target.hostname}:{port} ({error}).\n"
            "The first run downloads the tools; later runs need no network for them.\n"
            "Connect, or set HTTPS_PROXY if this network has a proxy, and run the command again."
        ) from None


def download(url: str, sha256: str, size: int, target: Path, step: Step) -> None:
    """Saves `url` to `target` if it is the file of that SHA-256 and size (bytes)."""
    check_reachable(url)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            received = _save(url, size, target, step)
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS:
                raise SetupError(f"Cannot download {url}: {error}") from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLError):
                raise _untrusted(url, reason) from None
            if attempt == ATTEMPTS:
                raise SetupError(f"Cannot download {url}: {reason}") from None
        else:
            if target.stat().st_size >= size:
                break
            if attempt == ATTEMPTS:
                raise SetupError(f"Cannot download {url}: the connection breaks off.")
        time.sleep(attempt)
    if received != sha256:
        target.unlink()
        raise SetupError(
            f"Refused {url}:\n"
            f"it is not the file that tools/uv.lock names (SHA-256 {received}, expected {sha256}).\n"
            "Something between you and the registry changed it, or the lock file is damaged."
        )


def _save(url: str, size: int, target: Path, step: Step) -> str:
    digest = hashlib.sha256()
    received = 0
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response, target.open("wb") as file:
        while chunk := response.read(1 << 16):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            step.show(f"{received / 1e6:.0f} of {size / 1e6:.0f} MB")
    return digest.hexdigest()


def _untrusted(url: str, reason: ssl.SSLError) -> SetupError:
    hint = "Set SSL_CERT_FILE to a file with the certificate authorities that your network uses."
    if path := os.environ.get("SSL_CERT_FILE"):
        hint = f"SSL_CERT_FILE is {path}: is that the right file?"
    return SetupError(f"No trusted connection to {urlsplit(url).hostname}: {reason}\n{hint}")
