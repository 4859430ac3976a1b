"""Makes a new project without Nix: the very files of `nix flake init -t`.

    python3 generate.py ../shop
    python3 generate.py ../shop celery reports
    python3 generate.py ../shop add-orders

A project is the template without the files of the parts that were not chosen; an add-… name adds
one part's files to a project that exists. See parts.toml; update.py updates a project.
"""

import argparse
import filecmp
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from parts import ROOT, TEMPLATE, Parts, Refused


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


def names(parts: Parts) -> dict[str, set[str]]:
    """Return what the command line can name, and the parts that each stands for."""
    return {
        "default": {name for name, part in parts.items() if part.get("default")},
        "minimal": set(),
        "tour": set(parts),
        **{name: {name} for name in parts},
        **{f"add-{name}": {name} for name in parts},
    }


def check_new(target: Path) -> None:
    """Raise `Refused` unless a new project can be made at *target*."""
    if target.is_relative_to(ROOT):
        raise Refused(f"{target} is inside of this repository. Choose a folder next to it.")
    if target.exists() and not target.is_dir():
        raise Refused(f"{target} is a file. Choose the name of a new folder.")
    # A repository that was made first is as good as nothing.
    if target.exists() and any(path.name != ".git" for path in target.iterdir()):
        raise Refused(f"{target} is not empty. Choose a new folder, or empty this one.")


def check_addition(target: Path) -> None:
    """Raise `Refused` unless *target* is a project that a part can be added to."""
    if target.is_relative_to(ROOT):
        raise Refused(f"{target} is inside of this repository.")
    if not (target / "manage.py").exists():
        raise Refused(f"{target} has no manage.py: a part is added to an existing project.")


def missing(target: Path, files: list[str]) -> list[str]:
    """Return those of *files* that *target* does not have. Raise `Refused` if others differ."""
    absent = [file for file in files if not (target / file).exists()]
    changed = [
        file
        for file in files
        if file not in absent and not filecmp.cmp(TEMPLATE / file, target / file, shallow=False)
    ]
    if changed:
        listed = "\n".join(f"  {file}" for file in changed)
        raise Refused(f"{target} has other files of these names:\n{listed}\nNothing was written.")
    return absent


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


def generate(folder: Path, chosen: list[str], parts: Parts) -> str:
    """Make a project of the *chosen* names in *folder*, or add them to it. Return what to say."""
    target = folder.resolve()
    known = names(parts)
    if unknown := [name for name in chosen if name not in known]:
        raise Refused(f"There is no part {', '.join(unknown)}. Choose from: {', '.join(known)}")
    adds = [name for name in chosen if name.startswith("add-")]
    if adds and adds != chosen:
        raise Refused("add-… is for a project that exists; the other names make a new one.")
    asked = set().union(*(known[name] for name in chosen))
    wanted = parts.with_needs(asked)
    files = template_files()
    if adds:
        check_addition(target)
        # A backend that is there may have been edited, and is left alone.
        there = {parts.holding(file) for file in files if (target / file).exists()}
        wanted = asked | (wanted - there)
        files = missing(target, [file for file in files if parts.of(file) in wanted])
    else:
        check_new(target)
        files = [file for file in files if parts.of(file) in {None, *wanted}]
    copy(files, target)
    if not files:
        return f"{target} has all files of {', '.join(chosen)} already."
    said = [f"{target}: {len(files)} files."]
    for name in sorted(wanted - asked):
        askers = [parts[other]["title"] for other in asked if name in parts.with_needs({other})]
        said.append(f"{parts[name]['title']} came along, for {', '.join(sorted(askers))}.")
    said += ["Next:", "", f"    cd {shlex.quote(str(folder))}"]
    said += [] if adds else ["    git init && git add ."]
    return "\n".join([*said, f"    {'sh dev just down && ' if adds else ''}sh dev just up"])


def main() -> None:
    """Make what the command line asks for, and say what to do next."""
    parts = Parts((ROOT / "parts.toml").read_text())
    parser = argparse.ArgumentParser(
        prog="just new",
        description="Make a new project, or add a part to one (add-…).",
        epilog="\n".join(f"{name}: {part['purpose']}" for name, part in parts.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", type=Path, help="the project's folder")
    known = f"{', '.join(names(parts))} (default: default)"
    parser.add_argument("names", nargs="*", default=[], help=known)
    options = parser.parse_args()
    try:
        said = generate(options.target, options.names or ["default"], parts)
    except Refused as refusal:
        sys.exit(str(refusal))
    except OSError as error:
        sys.exit(f"{error.filename or options.target}: {error.strerror}. Nothing was written.")
    print(said)


if __name__ == "__main__":
    main()
