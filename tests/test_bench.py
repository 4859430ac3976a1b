"""`just bench` works: with tiny numbers, which measure nothing."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, run

# What each must have measured of Slipway.
MEASURED = {
    "temporal": {"one at a time, ms", "workflows/s", "p95, s"},
    "celery": {"tasks/s", "worker's PSS, MiB", "first tasks, s"},
    "io": {"tasks/s per MiB", "tasks/s", "worker's PSS, MiB"},
    "signup": {"p95, ms", "median, ms"},
    "stack": {"seconds", "idle PSS, MiB", "idle, % of a core"},
    "announcement": {"e-mails/s", "memory's swing, ± %", "most, MiB"},
    "generate": {"ms"},
    "servers": {"time-skipping, s", "dev server, s"},
}


def bench(*arguments: str | Path, ok: bool = True, **environment: str):
    return run("sh", "dev", "just", "bench", *arguments, cwd=ROOT, ok=ok, **environment)


@pytest.mark.slow
def test_each_benchmark_works_and_writes_what_it_measured(tmp_path):
    done = bench("--tiny", "--rounds", "1", "--out", tmp_path)

    assert {file.stem for file in tmp_path.glob("*.json")} == MEASURED.keys()
    for name, measures in MEASURED.items():
        result = json.loads((tmp_path / f"{name}.json").read_text())
        assert result["machine"].keys() == {"cores", "memory_gib", "system"}
        assert {"python", "django", "celery", "temporalio"} <= result["versions"].keys()
        of_ours = next(iter(result["samples"].values()))
        assert of_ours.keys() == measures
        for contestant, figures in result["samples"].items():
            for what, values in figures.items():
                enough = values[0] >= 0 if what.startswith(("idle,", "memory's")) else values[0] > 0
                assert len(values) == 1 and enough, (name, contestant, what, values)
        for goal in result["goals"]:
            assert f"| {goal['what']} | " in done.stdout
    assert "Announcement: worker" in (tmp_path / "bench.svg").read_text()


def test_rounds_add_up_only_for_the_same_settings(tmp_path):
    bench("generate", "--tiny", "--rounds", "1", "--out", tmp_path)
    bench("generate", "--tiny", "--rounds", "2", "--append", "--out", tmp_path)
    file = tmp_path / "generate.json"
    result = json.loads(file.read_text())
    assert len(result["samples"]["just new"]["ms"]) == 3

    file.write_text(json.dumps(result | {"settings": {"size": 7}}))
    refused = bench("generate", "--tiny", "--append", "--out", tmp_path, ok=False)
    assert refused.returncode == 1
    assert "generate.json was measured with {'size': 7}, this is {'projects': 1}." in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["stak"], 2, "There is no benchmark 'stak'; there are temporal, celery,"),
        (["celery", "--rounds", "0"], 2, "--rounds and --size are 1 or more."),
        (["celery", "--tiny"], 2, "--tiny measures nothing: name another folder with --out."),
        (["celery", "nowhere"], 1, "nowhere/django-keel is not there. PEERS must hold clones"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence(arguments, code, says):
    refused = bench(*arguments, ok=False)

    assert refused.returncode == code
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.fixture
def elsewhere(tmp_path):
    """A function that runs a copy of the benchmarks, beside a template that has no code."""
    uv = shutil.which("uv", path=f"{ROOT}/template/.tools/bin:{os.environ['PATH']}")
    for name in ("bench", "template/services"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))

    def bench(name: str, **environment: str):
        command = [uv, "run", "--no-project", "--script", tmp_path / "bench/bench.py", name]
        return run(*command, "--tiny", "--out", tmp_path, cwd=tmp_path, ok=False, **environment)

    bench.packages = tmp_path / "template/.venv"
    return bench


def test_a_child_that_fails_is_named_with_its_last_words(elsewhere, tmp_path):
    elsewhere.packages.symlink_to(ROOT / "template/.venv")
    failed = elsewhere("celery")

    assert failed.returncode == 1
    assert "publish.py config nothing 40 failed:" in failed.stderr
    assert "No module named 'config'" in failed.stderr
    assert not list(tmp_path.glob("*.json"))


def test_a_tool_that_is_not_there_is_named(elsewhere):
    nothing = elsewhere("temporal")
    assert (nothing.returncode, "template/.venv is not there" in nothing.stderr) == (1, True)

    (elsewhere.packages / "bin").mkdir(parents=True)
    (elsewhere.packages / "bin/python").touch()
    no_server = elsewhere("temporal", PATH="/usr/bin:/bin")
    assert (no_server.returncode, "bench: temporal is not there" in no_server.stderr) == (1, True)


def test_the_readme_shows_what_was_measured():
    readme = (ROOT / "README.md").read_text()
    for file in (ROOT / "docs/bench").glob("*.json"):
        for goal in json.loads(file.read_text())["goals"]:
            assert f"| {goal['what']} | {goal['goal']} | {goal['measured']} |" in readme
