"""The peers' own projects with Celery, made and installed in a temporary folder."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import common

PROGRAMS = Path(sys.executable).parent
COPIER = [PROGRAMS / "copier", "copy", "--defaults", "--trust", "--skip-tasks", "--quiet"]
COPIER += ["--data=project_name=shop", "--data=project_description=A shop"]
COPIER += ["--data=author_name=Ada", "--data=author_email=ada@example.com"]
# Without its hooks: they insist on Python 3.14 and install packages.
COOKIECUTTER = [PROGRAMS / "cookiecutter", "--no-input", "--accept-hooks=no"]


@contextlib.contextmanager
def celery_apps(peers: Path | None, folder: Path) -> Iterator[dict[str, dict]]:
    """Make both, and yield what `bench.celery.Worker` takes, by name."""
    if not peers:
        yield {}
        return
    keel = folder / "django-keel"
    answers = ["--data=background_tasks=celery", "--data=python_version=3.12"]
    common.run(*COPIER, *answers, peers / "django-keel", keel, cwd=folder)
    python = install(keel, "-r", "pyproject.toml")
    port, log = common.free_port(), folder / "postgres.log"
    data = folder / "postgres"
    serve = [common.PYTHON, "-IS", common.TEMPLATE / "postgres/serve.py", "start", data, port]

    cutter = folder / "cookiecutter-django"
    names = ["use_celery=y", "project_slug=shop"]
    common.run(*COOKIECUTTER, "-o", folder, peers / "cookiecutter-django", *names, cwd=folder)
    (folder / "shop").rename(cutter)
    cutter_python = install(cutter, "-r", "requirements/base.txt", "psycopg[binary]", "packaging")
    ready = lambda: common.listens(port)  # noqa: E731
    with common.running(*serve, ready=ready, log=log):
        password = (data / "passfile").read_text().strip().rpartition(":")[2]
        database = {
            "DATABASE_URL": f"postgres://postgres:{password}@127.0.0.1:{port}/postgres",
            "DJANGO_SECRET_KEY": "only-for-this",
        }
        keel_env = database | {"DJANGO_SETTINGS_MODULE": "config.settings.dev"}
        cutter_env = database | {"DJANGO_SETTINGS_MODULE": "config.settings.base"}
        # It stores each result in its database.
        env = common.environment(**keel_env)
        common.run(python, "manage.py", "migrate", cwd=keel, env=env)
        yield {
            "django-keel": {"python": python, "cwd": keel, "app": "config", "env": keel_env},
            "cookiecutter-django": {
                "python": cutter_python,
                "cwd": cutter,
                "app": "config.celery_app",
                "env": cutter_env,
            },
        }


def install(project: Path, *requirements: str) -> Path:
    """Install a project's packages with the Python that Slipway is measured with."""
    uv, python = common.tool("uv"), project / ".venv/bin/python"
    common.run(uv, "venv", "--quiet", "--python", common.PYTHON.resolve(), cwd=project)
    common.run(uv, "pip", "install", "--quiet", "--python", python, *requirements, cwd=project)
    return python
