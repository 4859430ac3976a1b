"""Asks Django whether it can be set up, before anything starts that would only crash."""

import shutil
import subprocess

from slipway import Problem, project


def require(env: dict[str, str]) -> None:
    """Raise `Problem`, in Django's own words, if the project cannot be set up.

    What is improperly configured is its one line; anything else comes with its traceback.
    """
    # The settings, and what each app checks when it is loaded.
    check = [shutil.which("python", path=env["PATH"]), "-c", "import django; django.setup()"]
    env = {"DJANGO_SETTINGS_MODULE": "config.settings", **env}
    result = subprocess.run(check, cwd=project.ROOT, env=env, capture_output=True, text=True)
    if result.returncode != 0:
        error, _, words = result.stderr.strip().rpartition("ImproperlyConfigured: ")
        raise Problem(words if error else result.stderr.strip())
