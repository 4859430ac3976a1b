"""Certificates of an authority of one's own, for tests that speak TLS."""

import ssl
import subprocess
from pathlib import Path


class Authority:
    """Signs certificates. Its own is ``file``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        usage = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"]
        self.file, self.key = self._make("authority", usage)

    def sign(self, host: str) -> tuple[Path, Path]:
        """Return the certificate for a name or an address, and its key."""
        kind = "IP" if host.replace(".", "").isdigit() else "DNS"
        usage = ["basicConstraints=critical,CA:FALSE", f"subjectAltName={kind}:{host}"]
        return self._make(host, usage, "-CA", self.file, "-CAkey", self.key)

    def server(self, host: str) -> ssl.SSLContext:
        """What a server needs that is known by this name or address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(host))
        return context

    def _make(self, name: str, usage: list[str], *options: str | Path) -> tuple[Path, Path]:
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", f"/CN={name}"]
        command += ["-out", certificate, "-keyout", key, *options]
        for extension in usage:
            command += ["-addext", extension]
        subprocess.run(command, check=True, capture_output=True)
        return certificate, key
