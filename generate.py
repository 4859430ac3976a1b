"""Lays down a new project without Nix: the very files of `nix flake init -t`.

    python3 generate.py ../shop celery
    python3 generate.py ../shop add-temporal

A variant is the template without the files of the backends that were not chosen. An add-… variant
is one backend's files alone, for a project that was made earlier. See backends.toml.
"""

import argparse
import filecmp
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TEMPLATE = ROOT / "template"


class Refused(Exception):
    """Why nothing was written, and what to do instead."""


def template_files() -> list[str]:
    """Return the template's files, relative to it: those that Git knows, as Nix sees them.

    Without a repository, as in an unpacked archive, all but what `.gitignore` names. Raises
    `Refused` with Git's own words if Git does.
    """
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "-C", str(TEMPLATE), "ls-files", "-z"]
        listed = subprocess.run(command, capture_output=True, text=True)
        if listed.returncode != 0:
            raise Refused(f"Git does not list the files of {TEMPLATE}:\n{listed.stderr.strip()}")
        files = [Path(name) for name in listed.stdout.split("\0") if name]
    else:
        ignored = set(re.split(r"[/\n]+", (TEMPLATE / ".gitignore").read_text()))
        files = [path.relative_to(TEMPLATE) for path in TEMPLATE.rglob("*") if not path.is_dir()]
        files = [path for path in files if not ignored.intersection(path.parts)]
    return sorted(path.as_posix() for path in files if (TEMPLATE / path).exists())


def variants(files: list[str], backends: dict[str, dict]) -> dict[str, list[str]]:
    """Return the files of each variant."""
    own = {
        name: [file for file in files if any(_is_in(file, entry) for entry in backend["files"])]
        for name, backend in backends.items()
    }

    def without(absent: set[str]) -> list[str]:
        left_out = {file for name in absent for file in own[name]}
        return [file for file in files if file not in left_out]

    return {
        "default": without(set()),
        **{name: without(backends.keys() - {name}) for name in backends},
        "minimal": without(set(backends)),
        **{f"add-{name}": own[name] for name in backends},
    }


def _is_in(file: str, entry: str) -> bool:
    return file == entry or file.startswith(f"{entry}/")


def check_new(target: Path) -> None:
    """Raise `Refused` unless a new project can be laid down at *target*."""
    if target.is_relative_to(ROOT):
        raise Refused(f"{target} is inside of this repository. Choose a folder next to it.")
    if target.exists() and not target.is_dir():
        raise Refused(f"{target} is a file. Choose the name of a new folder.")
    # A repository that was made first is as good as nothing.
    if target.exists() and any(path.name != ".git" for path in target.iterdir()):
        raise Refused(f"{target} is not empty. Choose a new folder, or empty this one.")


def check_addition(target: Path, files: list[str]) -> list[str]:
    """Return those of *files* that *target* does not have. Raise `Refused` if others differ."""
    if target.is_relative_to(ROOT):
        raise Refused(f"{target} is inside of this repository.")
    if not (target / "manage.py").exists():
        raise Refused(f"{target} has no manage.py: a backend is added to an existing project.")
    missing = [file for file in files if not (target / file).exists()]
    changed = [
        file
        for file in files
        if file not in missing and not filecmp.cmp(TEMPLATE / file, target / file, shallow=False)
    ]
    if changed:
        names = "\n".join(f"  {file}" for file in changed)
        raise Refused(f"{target} has other files of these names:\n{names}\nNothing was written.")
    return missing


def copy(files: list[str], target: Path) -> None:
    """Copy the template's *files* to *target*, all or none. Raises `OSError`."""
    created: list[Path] = []
    try:
        for file in files:
            destination = target / file
            for folder in reversed(destination.parents):
                if not folder.exists():
                    folder.mkdir()
                    created.append(folder)
            created.append(destination)
            # Without its mode, as Nix does it: no file of the template has to be executable.
            shutil.copyfile(TEMPLATE / file, destination)
    except BaseException:
        for path in reversed(created):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        raise


def generate(target: Path, files: list[str], is_new: bool) -> list[str]:
    """Lay down those of *files* that *target* does not have, and return them."""
    if is_new:
        check_new(target)
    else:
        files = check_addition(target, files)
    copy(files, target)
    return files


def main() -> None:
    """Lay down what the command line asks for, and say what to do next."""
    backends = tomllib.loads((ROOT / "backends.toml").read_text())
    try:
        known = variants(template_files(), backends)
    except Refused as refusal:
        sys.exit(str(refusal))
    parser = argparse.ArgumentParser(
        prog="just new",
        description="Lay down a new project, or add a backend to one (add-…).",
        epilog="\n".join(f"{name}: {about['purpose']}" for name, about in backends.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", type=Path, help="the project's folder")
    parser.add_argument(
        "variant", nargs="?", default="default", help=f"{', '.join(known)} (default: default)"
    )
    options = parser.parse_args()
    target = options.target.resolve()
    if options.variant not in known:
        sys.exit(f"There is no variant {options.variant}. Choose one of: {', '.join(known)}")
    is_new = not options.variant.startswith("add-")
    try:
        files = generate(target, known[options.variant], is_new)
    except Refused as refusal:
        sys.exit(str(refusal))
    except OSError as error:
        sys.exit(f"{error.filename or target}: {error.strerror}. Nothing was written.")
    if files:
        repository = "\n    git init && git add ." if is_new else ""
        print(
            f"{target}: {len(files)} files. Next:\n\n"
            f"    cd {shlex.quote(str(options.target))}{repository}\n    sh dev just up"
        )
    else:
        print(f"{target} has all files of {options.variant} already.")


if __name__ == "__main__":
    main()
