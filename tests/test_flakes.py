"""The flakes: the shell of each variant, the servers alone, the lock files."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import EXAMPLES, PARTS, VARIANTS, Nix, commit, run, tree
from free_ports import free_port

SYSTEMS = ("x86_64-linux", "aarch64-linux", "aarch64-darwin")
COMMON = {"just", "process-compose", "uv"}
OWN = {
    "celery": {"redis-server"},
    "temporal": {"temporal"},
    "postgres": {"initdb", "postgres", "psql"},
}
OF_VARIANT = {
    "default": OWN["celery"] | OWN["temporal"],
    **OWN,
    "minimal": set(),
    "telemetry": set(),
    "tour": set().union(*OWN.values()),
}


@pytest.fixture
def project(new, tmp_path):
    """A function that returns a committed project of a variant."""

    def project(variant: str) -> Path:
        new("shop", variant, cwd=tmp_path)
        commit(tmp_path / "shop")
        return tmp_path / "shop"

    return project


def programs(nix: Nix, folder: Path) -> set[str]:
    """The programs that the shell in *folder* brings, out of those that this project knows."""
    path = nix.develop("sh", "-c", "echo $PATH", cwd=folder).stdout.strip()
    from_nix = [Path(entry) for entry in path.split(":") if entry.startswith(f"{nix.store}/")]
    found = {file.name for entry in from_nix for file in entry.iterdir()}
    return found & COMMON.union(*OWN.values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_shell_has_the_tools_that_the_variant_needs(variant, nix, project):
    assert programs(nix, project(variant)) == COMMON | OF_VARIANT[variant]


def test_the_shell_of_this_repository_is_that_of_the_template(nix, source):
    assert programs(nix, source) == programs(nix, source / "template")
    assert programs(nix, source) == COMMON | OF_VARIANT["tour"]


def test_an_added_backend_brings_its_tools(nix, project, new):
    folder = project("celery")
    new(folder, "add-temporal", cwd=folder)
    commit(folder)
    assert programs(nix, folder) == COMMON | OF_VARIANT["default"]


def test_a_removed_backend_takes_its_tools_along(nix, project):
    folder = project("default")
    for path in folder.glob("services/celery.*"):
        path.unlink()
    commit(folder)
    assert programs(nix, folder) == COMMON | OF_VARIANT["temporal"]


def environment(nix: Nix, folder: Path, *options: str, **extra: str) -> dict[str, str]:
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    return json.loads(
        nix.with_nixpkgs(
            "develop", *options, "-c", "python3", "-c", show, cwd=folder, **extra
        ).stdout
    )


@pytest.mark.parametrize("below", [".", "config/settings"])
def test_the_shell_knows_the_project_from_every_folder_of_it(below, nix, project):
    folder = project("minimal")
    env = environment(nix, folder / below)
    assert env["DEV_ROOT"] == str(folder)
    assert env["DEV_TOOLS"] == "nix"
    assert env["PATH"].startswith(f"{folder}/.venv/bin:")


def test_the_shell_knows_the_project_that_dev_names(nix, project, tmp_path):
    folder = project("minimal")
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert environment(nix, other, folder, DEV_ROOT=str(folder))["DEV_ROOT"] == str(folder)


def test_a_shell_within_a_shell_knows_its_own_project(nix, project, tmp_path):
    folder = project("minimal")
    outer = {"DEV_ROOT": str(tmp_path / "other"), "DEV_TOOLS": "nix"}
    assert environment(nix, folder, **outer)["DEV_ROOT"] == str(folder)


def test_a_shell_that_finds_no_project_says_so(nix, project, tmp_path):
    folder = project("minimal")
    done = nix.with_nixpkgs("develop", folder, "-c", "true", cwd=tmp_path)
    assert f"no manage.py in {tmp_path}" in done.stderr


@pytest.mark.parametrize("below", [".", "tests", "template"])
def test_the_shell_of_this_repository_works_on_the_template(below, nix, source):
    env = environment(nix, source / below)
    assert env["DEV_ROOT"] == str(source / "template")
    assert env["PATH"].startswith(f"{source}/template/.venv/bin:")
    assert env["PWD"] == str(source / below).removesuffix("/.")


def test_debug_is_on_unless_the_user_says_otherwise(nix, project, tmp_path):
    """The shell says that this is development, and the settings do the rest."""
    folder = project("minimal")

    def debug(**extra: str) -> str:
        ask = "from django.conf import settings; print(settings.DEBUG)"
        extra |= {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(tmp_path / "data")}
        return nix.develop(sys.executable, "-c", ask, cwd=folder, **extra).stdout.strip()

    assert "DJANGO_DEBUG" not in environment(nix, folder)
    assert debug() == "True"
    off = {"DJANGO_SECRET_KEY": "x" * 50, "DJANGO_ALLOWED_HOSTS": "shop.example.com"}
    assert debug(DJANGO_DEBUG="false", PROJECT_NAME="shop", **off) == "False"
    (folder / ".env").write_text("DJANGO_DEBUG=false\n")
    assert debug(PROJECT_NAME="shop", **off) == "False"


def test_uv_takes_the_python_of_the_shell(nix, project, tmp_path):
    folder = project("minimal")
    env = environment(nix, folder)
    assert env["UV_PYTHON"].startswith(f"{nix.store}/")
    assert env["UV_PYTHON_DOWNLOADS"] == "never"
    nix.develop("uv", "venv", tmp_path / "venv", cwd=folder)
    assert f"home = {Path(env['UV_PYTHON']).parent}\n" in (tmp_path / "venv/pyvenv.cfg").read_text()


def test_wheels_find_their_libraries_and_nothing_else_is_touched(nix, project):
    """A wheel that wants libstdc++ or zlib gets the one that its Python has loaded."""
    folder = project("minimal")
    env = environment(nix, folder)
    assert not {"LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH"} & env.keys()
    loaded = run(env["UV_PYTHON"], "-c", "print(open('/proc/self/maps').read())", cwd=folder).stdout
    assert "libstdc++.so" in loaded
    assert "libz.so" in loaded


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("variant", [*VARIANTS, "this repository"])
def test_the_shell_evaluates_on_every_system(variant, system, nix, project, source):
    folder = source if variant == "this repository" else project(variant)
    shell = f"{folder}#devShells.{system}.default.drvPath"
    assert nix.with_nixpkgs("eval", shell, cwd=folder).stdout.strip().endswith('.drv"')


@pytest.mark.parametrize("variant", [*VARIANTS, "this repository"])
def test_nix_flake_check_passes(variant, nix, project, source):
    folder = source if variant == "this repository" else project(variant)
    nix.with_nixpkgs("flake", "check", cwd=folder)


def test_nix_flake_show_helps_to_choose(nix, source):
    shown = json.loads(nix.with_nixpkgs("flake", "show", "--json", cwd=source).stdout)["templates"]
    assert shown.keys() == {*VARIANTS, *(f"add-{part}" for part in PARTS)}
    descriptions = [template["description"] for template in shown.values()]
    assert len(set(descriptions)) == len(descriptions)
    assert "Celery and Temporal" in shown["default"]["description"]
    assert "Celery" not in shown["temporal"]["description"]
    assert "Celery, PostgreSQL, Telemetry and Temporal" in shown["tour"]["description"]
    for example, backend in EXAMPLES.items():
        assert shown[f"add-{example}"]["description"].startswith(f"needs {backend.title()}")
        assert f"#add-{backend}" in shown[f"add-{example}"]["description"]


def test_every_output_is_described(nix, source):
    """`nix flake show` shows it."""
    describe = "builtins.mapAttrs (_: builtins.mapAttrs (_: output: output.meta.description))"
    for kind, names in {
        "packages": {"default", "new", "services"},
        "devShells": {"default"},
        "checks": {"formatting"},
    }.items():
        told = nix.with_nixpkgs(
            "eval", "--json", f"{source}#{kind}", "--apply", describe, cwd=source
        ).stdout
        told = json.loads(told)
        assert told.keys() == set(SYSTEMS)
        assert all(descriptions.keys() == names for descriptions in told.values())
        assert all(all(descriptions.values()) for descriptions in told.values())


def test_nix_run_new_makes_the_same_project(nix, source, new, tmp_path):
    nix.with_nixpkgs("build", f"{source}#new", "--out-link", tmp_path / "new", cwd=tmp_path)
    run(tmp_path / "new/bin/new", "shop", "celery", cwd=tmp_path)
    new("other", "celery", cwd=tmp_path)
    assert tree(tmp_path / "shop") == tree(tmp_path / "other")
    refused = run(tmp_path / "new/bin/new", "shop", "no-such-part", cwd=tmp_path, ok=False)
    assert refused.returncode == 1
    assert "There is no part no-such-part" in refused.stderr


def test_the_formatting_of_all_nix_files_is_checked(nix, source, tmp_path):
    system = f"{os.uname().machine}-linux"
    check = f"{source}#checks.{system}.formatting"
    nix.with_nixpkgs("build", check, "--no-link", cwd=tmp_path)
    log = nix.with_nixpkgs("log", check, cwd=tmp_path).stdout
    for file in source.rglob("*.nix"):
        assert f"/{file.relative_to(source)}" in log


def test_nix_init_says_what_is_there_and_what_to_do(init, tmp_path):
    said = init("celery", tmp_path).stderr
    assert "Django with Celery" in said
    assert "Temporal" not in said
    assert said.index("nix develop") < said.index("just up")


def test_the_locks_agree(source):
    locks = [json.loads((source / f / "flake.lock").read_text()) for f in (".", "template")]
    assert locks[0] == locks[1]
    (nixpkgs,) = (node for node in locks[0]["nodes"].values() if "locked" in node)
    assert len(nixpkgs["locked"]["rev"]) == 40


@pytest.mark.parametrize("folder", [".", "template"])
def test_the_lock_has_the_inputs_of_the_flake(folder, nix, source):
    """Nix would have to change a lock that does not, and would need the network for it."""
    metadata = json.loads(
        nix(
            "flake", "metadata", "--json", "--no-update-lock-file", source / folder, cwd=source
        ).stdout
    )
    assert metadata["locks"] == json.loads((source / folder / "flake.lock").read_text())


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_services_starts_the_servers_alone(nix, source, tmp_path):
    """In a folder that holds another project."""
    names = ("REDIS_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT", "DJANGO_PORT", "FLOWER_PORT")
    ports = {name: free_port() for name in names}
    expected = {"REDIS_PORT", "TEMPORAL_PORT", "TEMPORAL_UI_PORT"}
    link = tmp_path / "services"
    nix.with_nixpkgs("build", f"{source}#services", "--out-link", link, cwd=tmp_path)
    fetched = nix("path-info", "--recursive", link, cwd=tmp_path).stdout
    assert "redis" in fetched
    assert "postgresql" not in fetched  # which does not start
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {name: str(port) for name, port in ports.items()}
    with subprocess.Popen(
        [link / "bin" / "services"],
        cwd=elsewhere,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as services:
        try:
            wait_for(lambda: all(answers(ports[name]) for name in expected))
            assert {name for name in names if answers(ports[name])} == expected
        finally:
            services.send_signal(signal.SIGTERM)
    assert not any(answers(port) for port in ports.values())
    assert [path.name for path in elsewhere.iterdir()] == [".data"]
    assert {path.partition("/")[0] for path in tree(elsewhere / ".data")} >= {"logs", "redis"}
