"""The peers' own projects with Celery, made and installed in a temporary folder."""

import contextlib
import os
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
Described = tuple[str, Path, Path, dict[str, str]]


@contextlib.contextmanager
def with_celery(peers: Path, folder: Path) -> Iterator[dict[str, Described]]:
    """Make both, on a PostgreSQL; yield the app, folder, Python and environment of each."""
    (folder := folder / "peers").mkdir()
    keel, cutter = folder / "keel", folder / "shop"
    answers = ["--data=background_tasks=celery", "--data=python_version=3.12"]
    common.run(*COPIER, *answers, peers / "django-keel", keel, cwd=folder)
    common.run(
        *COOKIECUTTER,
        peers / "cookiecutter-django",
        "use_celery=y",
        "project_slug=shop",
        cwd=folder,
    )
    keel_python = install(keel, "-r", "pyproject.toml")
    # Kombu's Redis needs `packaging` and does not say so.
    cutter_python = install(cutter, "-r", "requirements/base.txt", "psycopg[binary]", "packaging")
    port, data, log = common.free_port(), folder / "postgres", folder / "postgres.log"
    serve = [common.PYTHON, "-IS", common.TEMPLATE / "postgres/serve.py", "start", data, port]
    with common.running(*serve, ready=port, log=log):
        password = (data / "passfile").read_text().strip().rpartition(":")[2]
        env = {"DATABASE_URL": f"postgres://postgres:{password}@127.0.0.1:{port}/postgres"}
        env |= {"DJANGO_SECRET_KEY": "only-for-this"}
        keel_env = env | {"DJANGO_SETTINGS_MODULE": "config.settings.dev"}
        # Its development settings run tasks where they are published.
        cutter_env = env | {"DJANGO_SETTINGS_MODULE": "config.settings.base"}
        migrate = [keel_python, "manage.py", "migrate"]  # it stores results in its database
        common.run(*migrate, cwd=keel, env=common.environment(**keel_env))
        yield {
            "django-keel": ("config", keel, keel_python, keel_env),
            "cookiecutter-django": ("config.celery_app", cutter, cutter_python, cutter_env),
        }


def install(project: Path, *requirements: str) -> Path:
    """Install a project's packages with the Python that Slipway is measured with."""
    uv, python = os.environ.get("UV") or common.tool("uv"), project / ".venv/bin/python"
    common.run(uv, "venv", "--quiet", "--python", common.PYTHON.resolve(), cwd=project)
    common.run(uv, "pip", "install", "--quiet", "--python", python, *requirements, cwd=project)
    return python
