"""`just bench` works: with tiny numbers, which measure nothing."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, run

PAGE = "its page, median ms"
# What each must have measured of Slipway.
MEASURED = {
    "temporal": {"one at a time, ms", "workflows/s", "p95, s"},
    "celery": {"tasks/s", "worker's PSS, MiB", "first tasks, s", "publish, ms"},
    "io": {"tasks/s per MiB", "tasks/s", "worker's PSS, MiB"},
    "signup": {"p95, ms", "median, ms", PAGE},
    "telemetry": {"tasks/s", "publish, ms", "10 ms tasks/s", "sign-up, median ms", PAGE},
    "stack": {"seconds", "idle PSS, MiB", "idle, % of a core"},
    "announcement": {"e-mails/s", "memory's swing, ± %", "most, MiB"},
    "generate": {"ms"},
}


def bench(*arguments: str | Path, folder: Path = ROOT, **environment: str):
    """Run a benchmark as `just bench` does."""
    uv = shutil.which("uv", path=f"{ROOT}/template/.tools/bin:{os.environ['PATH']}")
    command = [uv, "run", "--no-project", "--script", folder / "bench/bench.py", *arguments]
    return run(*command, cwd=ROOT, ok=False, **environment)


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_each_benchmark_works_and_writes_what_it_measured(name, tmp_path):
    done = bench(name, "--tiny", "--rounds", "1", "--out", tmp_path)

    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / f"{name}.json").read_text())
    assert result["machine"].keys() == {"cores", "memory_gib", "system"}
    assert {"python", "django", "celery", "temporalio", "temporal"} <= result["versions"].keys()
    assert any(figures.keys() == MEASURED[name] for figures in result["samples"].values())
    for contestant, figures in result["samples"].items():
        for what, values in figures.items():
            enough = values[0] >= 0 if what.startswith(("idle,", "memory's")) else values[0] > 0
            assert len(values) == 1 and enough, (contestant, what, values)
    for goal in result["goals"]:
        assert f"| {goal['what']} | " in done.stdout
    assert (tmp_path / "bench.svg").exists()


def test_rounds_are_added_to_those_of_the_same_size_only(tmp_path):
    tiny = "--tiny", "--rounds", "1", "--out", tmp_path
    bench("generate", *tiny)
    bench("generate", *tiny, "--append")
    file = tmp_path / "generate.json"
    result = json.loads(file.read_text())
    assert len(result["samples"]["just new"]["ms"]) == 2
    file.write_text(json.dumps(result | {"settings": {"projects": 7}}))
    refused = bench("generate", *tiny, "--append")
    assert refused.returncode == 1
    assert (
        "generate.json was measured with {'projects': 7}, this is {'projects': 1}."
        in refused.stderr
    )


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
    refused = bench(*arguments)

    assert refused.returncode == code
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.fixture
def elsewhere(tmp_path):
    """A folder with a copy of the benchmarks, beside a template that has no code."""
    for name in ("bench", "template/services"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_child_that_fails_is_named_with_its_last_words(elsewhere):
    (elsewhere / "template/.venv").symlink_to(ROOT / "template/.venv")
    failed = bench("celery", "--tiny", "--out", elsewhere, folder=elsewhere)

    assert failed.returncode == 1
    assert " generate.py shop default failed:" in failed.stderr
    assert "No such file or directory" in failed.stderr
    assert not list(elsewhere.glob("*.json"))


def test_a_tool_that_is_not_there_is_named(elsewhere):
    nothing = bench("io", folder=elsewhere)
    assert nothing.returncode == 1
    assert "bench: template/.venv is not there. Run `sh dev just setup`." in nothing.stderr

    (elsewhere / "template/.venv/bin").mkdir(parents=True)
    (elsewhere / "template/.venv/bin/python").touch()
    no_server = bench("io", folder=elsewhere, PATH=os.devnull)
    assert no_server.returncode == 1
    assert "bench: redis-server is not there. Run `sh dev just setup`" in no_server.stderr


def test_the_readme_shows_what_was_measured():
    readme = (ROOT / "README.md").read_text()
    for file in (ROOT / "docs/bench").glob("*.json"):
        for goal in json.loads(file.read_text())["goals"]:
            assert f"| {goal['what']} | {goal['goal']} | {goal['measured']} |" in readme
