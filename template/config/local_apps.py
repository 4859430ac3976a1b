"""An app of this project is installed by being there."""

from config.env import BASE_DIR


def add_local_apps(listed: list[str]) -> list[str]:
    """Return ``listed``, followed by each top-level folder with an ``apps.py`` that is not in it.

    List an app of yours in ``base.py`` where the order counts, for example to override a template.
    """
    there = {entry.partition(".apps.")[0] for entry in listed}
    folders = sorted(file.parent.name for file in BASE_DIR.glob("*/apps.py"))
    return [*listed, *(name for name in folders if name.isidentifier() and name not in there)]
