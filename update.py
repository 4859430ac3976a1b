"""Brings a project that Slipway made up to this clone's HEAD, as a merge by the project's own Git.

    python3 update.py ../shop

A generated file is a file of a commit of this repository. So two trees are made, the template then
and the template now, each with the parts only that the project has, and their difference is picked
into the project: renames are followed, the user's edits and deletions stay. Nothing is committed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from parts import ROOT, TEMPLATE, Parts, Refused

VERSION = ".slipway/version"
# uv.lock is made anew. flake.lock is the user's own as soon as it was updated.
LOCKS = ("uv.lock", "flake.lock")
# Any two projects share these.
EMPTY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
# Below this share of equal files, a commit is not taken for a project's origin.
ENOUGH = 0.5

# What runs in the project runs no hook, asks for no key, tidies nothing up and needs no identity.
SETTINGS = {
    "core.hooksPath": os.devnull,
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "log.showRoot": "true",
    "merge.renames": "true",
    "merge.directoryRenames": "conflict",
    "rerere.enabled": "false",
}
IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Slipway"), ("EMAIL", "slipway@localhost"))
}

# Blob by path. Modes are left out: generated files have none of their own.
Tree = dict[str, str]


def run_git(folder: Path, *arguments: str, given: bytes = b"", **environment: str):
    """Run Git in *folder* and return what came of it."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    return subprocess.run(
        ["git", "-C", str(folder), *settings, *arguments],
        input=given,
        capture_output=True,
        env=outer | IDENTITY | environment,
    )


def git(folder: Path, *arguments: str, given: bytes = b"", **environment: str) -> str:
    """Return what Git answers. Raises `Refused` with its own words if it fails."""
    done = run_git(folder, *arguments, given=given, **environment)
    if done.returncode != 0:
        said = os.fsdecode(done.stderr).strip()
        raise Refused(f"git {arguments[0]} in {folder} failed:\n{said}")
    return os.fsdecode(done.stdout)


def tree(folder: Path, commit: str, *paths: str) -> Tree:
    """Return the files of *commit* below *folder*, with paths relative to it."""
    listed = git(folder, "ls-tree", "-r", "-z", commit, "--", *paths).split("\0")
    entries = [entry.partition("\t")[::2] for entry in listed if entry]
    return {path: about.split()[2] for about, path in entries}


def history(folder: Path, parts: Parts) -> list[tuple[str, str]]:
    """Return the path and blob of each file of a part that was ever added or changed, newest first.

    Paths are relative to *folder*.
    """
    paths = [entry for part in parts.values() for entry in part["files"]]
    # -m: also what came to be in a merge.
    options = ("-m", "--raw", "-z", "--no-abbrev", "--no-renames", "--relative", "--format=")
    listed = git(folder, "log", "--full-history", *options, "HEAD", "--", *paths).split("\0")
    return [
        (path, about.split()[3]) for about, path in zip(listed[:-1:2], listed[1::2], strict=True)
    ]


class Slipway:
    """The history of this clone's template."""

    def __init__(self) -> None:
        if run_git(ROOT, "rev-parse", "--git-dir").returncode != 0:
            raise Refused(f"{ROOT} is no clone: an update needs Slipway's Git history.")
        if git(ROOT, "rev-parse", "--is-shallow-repository").strip() == "true":
            raise Refused(f"{ROOT} is a shallow clone. First: git -C {ROOT} fetch --unshallow")
        self.head = self.commit("HEAD")
        self._parts: dict[str, Parts] = {}

    def commit(self, name: str) -> str:
        """Return the hash of the commit *name*. Raises `Refused` if there is none."""
        found = run_git(ROOT, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if found.returncode != 0:
            raise Refused(f"This clone of Slipway has no commit {name}. Newer? git pull")
        return found.stdout.decode().strip()

    def describe(self, commit: str) -> str:
        """Return how to name *commit* to a person."""
        return git(ROOT, "log", "-1", "--format=%h (%cs, %s)", commit).strip()

    def at(self, commit: str) -> tuple[Parts, Tree]:
        """Return the parts and the template of *commit*: none if it is older than parts.toml."""
        found = tree(ROOT, commit, "parts.toml", "template")
        listed = found.pop("parts.toml", None)
        if listed is None:
            return Parts(""), {}
        if listed not in self._parts:
            self._parts[listed] = Parts(git(ROOT, "cat-file", "blob", listed))
        return self._parts[listed], {
            path.removeprefix("template/"): blob for path, blob in found.items()
        }

    def origin(self, first: Tree) -> tuple[str, int, int]:
        """Return the commit that *first* is most like, how many of its files, and of how many."""
        return max(self._likenesses(first), key=lambda found: 2 * found[1] - found[2])

    def _likenesses(self, first: Tree) -> Iterator[tuple[str, int, int]]:
        first = {path: blob for path, blob in first.items() if path not in LOCKS}
        for commit in git(TEMPLATE, "log", "--full-history", "--format=%H", "--", ".").split():
            parts, files = self.at(commit)
            same = {path for path in files.keys() & first.keys() if files[path] == first[path]}
            there = {parts.of(path) for path in same if files[path] != EMPTY}
            wanted = limited(parts, files, there)
            yield commit, len(same & wanted.keys()), len(wanted)
            if wanted == first:
                return


def limited(parts: Parts, files: Tree, chosen: Iterable[str | None]) -> Tree:
    """Return those of *files* that are shared or of a *chosen* part, without the locks."""
    return {
        path: blob
        for path, blob in files.items()
        if path not in LOCKS and parts.of(path) in {None, *chosen}
    }


@dataclass
class Project:
    """A project's last commit."""

    folder: Path
    prefix: str
    files: Tree

    @classmethod
    def at(cls, folder: Path) -> "Project":
        """Return the project in *folder*. Raises `Refused` if its Git cannot take an update."""
        if folder.is_relative_to(ROOT):
            raise Refused(f"{folder} is inside of this repository.")
        if not (folder / "manage.py").exists():
            raise Refused(f"{folder} has no manage.py: it is no project.")
        repository = run_git(folder, "rev-parse", "--is-inside-work-tree")
        if repository.returncode != 0:
            said = os.fsdecode(repository.stderr).strip()
            raise Refused(f"{folder} is in no Git repository, and Git does the merge:\n{said}")
        if run_git(folder, "rev-parse", "--verify", "--quiet", "HEAD").returncode != 0:
            raise Refused(f"Nothing is committed in {folder}, so an update could not be undone.")
        if changed := git(folder, "status", "--porcelain", "--untracked-files=no"):
            raise Refused(f"{folder} has uncommitted changes: commit or stash them.\n{changed}")
        prefix = git(folder, "rev-parse", "--show-prefix").rstrip("\n")
        return cls(folder, prefix, tree(folder, "HEAD"))

    def first(self) -> Tree:
        """Return the files of the first commit that has those of Slipway."""
        if git(self.folder, "rev-parse", "--is-shallow-repository").strip() == "true":
            raise Refused(f"{self.folder} is a shallow clone: fetch its history, or say --from.")
        options = ("--full-history", "--diff-filter=A", "--format=%H")
        found = git(self.folder, "log", *options, "--", ".slipway/__main__.py").split()
        if not found:
            raise Refused(
                f"No commit of {self.folder} has .slipway/: it was not made by Slipway, or by one "
                "that is too old to update."
            )
        return tree(self.folder, found[-1])

    def version(self) -> tuple[str, Tree] | None:
        """Return the version of the last update, if there was one, and the files it led to."""
        if VERSION not in self.files:
            return None
        version = git(self.folder, "cat-file", "blob", self.files[VERSION]).strip()
        changed = git(self.folder, "log", "-1", "--format=%H", "--", VERSION).strip()
        return version, tree(self.folder, changed)

    def parts(self, parts: Parts) -> dict[str, Tree]:
        """Return the parts whose folders are here, and what Slipway wrote for each at last.

        An app of the user's own is no part, whatever its name.
        """
        here = {parts.holding(path) for path in self.files}
        known = set(history(TEMPLATE, parts))
        written: dict[str, Tree] = {}
        for path, blob in history(self.folder, parts):
            name = parts.of(path)
            if name in here and (path, blob) in known:
                written.setdefault(name, {}).setdefault(path, blob)
        return {name: files for name, files in written.items() if {*files.values()} - {EMPTY}}


def is_tool(path: str) -> bool:
    """Return whether *path* belongs to the environment, which an update replaces whole."""
    return path == "dev" or path.startswith(".slipway/")


def listed(title: str, paths: list[str]) -> str:
    """Return *paths* below a title."""
    return "\n".join([title, *(f"  {path}" for path in paths)])


def find_base(project: Project, slipway: Slipway, given: str | None) -> tuple[str, Tree]:
    """Return the commit that the project was made from or last updated to, and its files then."""
    if given:
        return slipway.commit(given), project.files
    if updated := project.version():
        version, _ = updated
        if run_git(ROOT, "merge-base", "--is-ancestor", version, slipway.head).returncode != 0:
            raise Refused(
                f"{project.folder} is at {version}, which is not in the history of this clone's "
                "HEAD. First: git pull"
            )
        return updated
    first = project.first()
    base, matched, whole = slipway.origin(first)
    found = f"{slipway.describe(base)}: {matched} of its {whole} files"
    if matched < ENOUGH * whole:
        raise Refused(
            f"The first commit of {project.folder} is like no commit of this clone. The best is\n"
            f"{found}. If you know which it was made from, say --from COMMIT."
        )
    print(f"{project.folder} was made from {found} are in its first commit.")
    return base, first


def changes(
    project: Project, slipway: Slipway, base: str, start: Tree
) -> tuple[Tree, Tree, list[str]]:
    """Return the template at *base* and now, as far as the project has it, and its parts."""
    old_parts, old = slipway.at(base)
    new_parts, new = slipway.at(slipway.head)
    if not old_parts:
        raise Refused(
            f"{slipway.describe(base)} has no parts.toml: a project of that age is not updated."
        )
    written = project.parts(new_parts)
    at_start = {new_parts.holding(path) for path in start}
    then = limited(old_parts, old, written.keys() & at_start)
    # A part that was added later may have come from a later commit.
    for name in written.keys() - at_start:
        then |= written[name]
    now = limited(new_parts, new, written.keys())
    lock = "flake.lock"
    if lock in old and lock in new and project.files.get(lock) == old[lock]:
        then[lock], now[lock] = old[lock], new[lock]
    return then, now, sorted(written)


def check_tools(project: Project, old: Tree, may_replace: bool) -> None:
    """Name the files of the environment that the user has edited. Raises `Refused` for them."""
    paths = {path for path in old.keys() | project.files.keys() if is_tool(path)} - {VERSION}
    edited = sorted(path for path in paths if old.get(path) != project.files.get(path))
    if not edited:
        return
    named = listed(".slipway/ and dev are replaced whole, and you have edited these:", edited)
    if not may_replace:
        raise Refused(f"{named}\nNothing was written. To lose these edits, say --replace-edited.")
    print(named)


def check_untracked(project: Project, old: Tree, new: Tree) -> None:
    """Raise `Refused` if a new file would overwrite one that Git does not know."""
    new_paths = new.keys() - old.keys() - project.files.keys()
    if lost := sorted(path for path in new_paths if os.path.lexists(project.folder / path)):
        raise Refused(listed("Files that Git does not know would be overwritten:", lost))


def pick(project: Project, old: Tree, new: Tree, message: str) -> None:
    """Merge the difference of two trees into the project's index and files."""
    folder = project.folder
    # What is replaced whole is taken for unedited.
    old = {path: blob for path, blob in old.items() if not is_tool(path)}
    old |= {path: blob for path, blob in project.files.items() if is_tool(path)}
    commits: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for files in (old, new):
            index = f"{scratch}/index-{len(commits)}"
            entries = (f"100644 {blob}\t{project.prefix}{p}\0" for p, blob in files.items())
            given = os.fsencode("".join(entries))
            git(folder, "update-index", "-z", "--index-info", given=given, GIT_INDEX_FILE=index)
            made = git(folder, "write-tree", GIT_INDEX_FILE=index).strip()
            parents = [f"-p{commit}" for commit in commits]
            commits.append(git(folder, "commit-tree", *parents, "-m", message, made).strip())
    done = run_git(folder, "cherry-pick", "--no-commit", commits[1])
    if done.returncode != 0 and not git(folder, "ls-files", "--unmerged"):
        raise Refused(f"git cherry-pick failed:\n{os.fsdecode(done.stderr).strip()}")


def send(project: Project, blobs: set[str]) -> None:
    """Copy *blobs* from this clone to the project's Git, where no name refers to them."""
    packed = run_git(ROOT, "pack-objects", "--stdout", "-q", given="\n".join(blobs).encode())
    if packed.returncode != 0:
        raise Refused(f"git pack-objects failed:\n{os.fsdecode(packed.stderr).strip()}")
    git(project.folder, "unpack-objects", "-q", given=packed.stdout)


def settle(project: Project) -> tuple[list[str], list[str], list[str]]:
    """Keep what the user deleted deleted, and what only Slipway deleted.

    Return the paths of both, and those of the conflicts that remain.
    """
    folder = project.folder
    stages: dict[str, set[str]] = {}
    for entry in filter(None, git(folder, "ls-files", "--unmerged", "-z").split("\0")):
        about, path = entry.split("\t", 1)
        stages.setdefault(path, set()).add(about.split()[2])
    gone = sorted(path for path, found in stages.items() if found == {"1", "3"})
    kept = sorted(path for path, found in stages.items() if found == {"1", "2"})
    if gone:
        git(folder, "rm", "-q", "-f", "--", *gone)
    if kept:
        git(folder, "add", "-f", "--", *kept)
    return gone, kept, sorted(stages.keys() - {*gone, *kept})


def lock_packages(folder: Path) -> str | None:
    """Bring uv.lock up to date with what the merge has changed. Return why it is not, if so."""
    if shutil.which("uv") is None:
        return "uv is not on PATH"
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        ["uv", "lock", "--quiet"], cwd=folder, env=environment, capture_output=True, text=True
    )
    return None if done.returncode == 0 else f"uv lock failed: {done.stderr.strip()}"


def update(folder: Path, given: str | None, may_replace: bool) -> None:
    """Bring the project in *folder* up to this clone's HEAD, and say what came of it."""
    project = Project.at(folder)
    slipway = Slipway()
    base, start = find_base(project, slipway, given)
    old, new, parts = changes(project, slipway, base, start)
    if git(ROOT, "status", "--porcelain", "--", "template", "parts.toml"):
        print("This clone's template/ has uncommitted changes, which are left out.")
    if old == new:
        print(f"{folder} is up to date: nothing in its files has changed since {base[:12]}.")
        return
    check_tools(project, old, may_replace)
    check_untracked(project, old, new)
    send(project, {*old.values(), *new.values()})
    version = f"{slipway.head}\n".encode()
    new[VERSION] = git(folder, "hash-object", "-w", "--stdin", given=version).strip()
    message = f"Update to Slipway {slipway.head[:12]}\n\nIt was at {base[:12]}."
    try:
        pick(project, old, new, message)
        gone, kept, conflicts = settle(project)
        report(project, slipway, parts, gone, kept, conflicts)
    except BaseException:
        if git(folder, "status", "--porcelain", "--untracked-files=no"):
            print(
                f"This was not finished. To go back: git -C {folder} reset --hard", file=sys.stderr
            )
        raise


def report(
    project: Project,
    slipway: Slipway,
    parts: list[str],
    gone: list[str],
    kept: list[str],
    conflicts: list[str],
) -> None:
    """Lock the packages, and say what was done and what is left to do."""
    folder = project.folder
    summary = git(folder, "diff", "--cached", "--shortstat", "HEAD").strip()
    with_parts = f" with {', '.join(parts)}" if parts else ""
    print(f"{folder}{with_parts} is now {slipway.describe(slipway.head)}: {summary}.")
    if gone:
        print(listed("Changed by Slipway, but deleted by you. They stay deleted:", gone))
    if kept:
        print(listed("Deleted by Slipway, but edited by you. They stay:", kept))
    if conflicts:
        print(listed("Conflicts, which Git has marked:", conflicts))
        print(
            "Edit each and git add it; or take a side: git checkout --ours FILE (yours) or "
            "--theirs FILE (Slipway's)."
        )
    later = "then run: sh dev just setup"
    if any(path.endswith(("pyproject.toml", "uv.lock")) for path in conflicts):
        print(f"uv.lock is not up to date: settle the conflicts, {later}")
    elif "uv.lock" in project.files:
        if problem := lock_packages(folder):
            print(f"uv.lock is not up to date ({problem}); {later}")
        else:
            git(folder, "add", "--", "uv.lock")
    print(
        f"Nothing is committed. In {folder}, git diff --staged shows it, sh dev just test tries "
        "it, and git reset --hard goes back."
    )


def main(arguments: list[str]) -> None:
    """Update the project that the command line names."""
    parser = argparse.ArgumentParser(
        prog="just update",
        description="Bring a project that Slipway made up to this clone's last commit.",
        epilog="A merge by the project's Git: edits and deletions stay, and nothing is committed.",
    )
    parser.add_argument("target", type=Path, help="the project's folder")
    parser.add_argument(
        "--from", dest="base", metavar="COMMIT", help="the commit of Slipway that it was made from"
    )
    parser.add_argument(
        "--replace-edited",
        action="store_true",
        help="replace .slipway/ and dev even if they were edited",
    )
    options = parser.parse_args(arguments)
    if shutil.which("git") is None:
        sys.exit("git is not on PATH, and it does the merge.")
    try:
        update(options.target.resolve(), options.base, options.replace_edited)
    except Refused as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
