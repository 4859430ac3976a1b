"""The settings: the project's own, those of each installed part, and the project's apps.

A part's file runs in the same scope, after ``base.py``, and so adds to ``MIDDLEWARE`` or reads
``DEBUG`` directly. Nothing else in this folder is read by itself.
"""
# mypy: ignore-errors

from split_settings.tools import include, optional

include("base.py", optional("parts/*.py"))

# An app of this project is installed by being there: a top-level folder with an `apps.py`. List it
# in `base.py` where the order counts, for example to override a template.
_listed = {entry.partition(".apps.")[0] for entry in INSTALLED_APPS}
_there = (file.parent.name for file in sorted(BASE_DIR.glob("*/apps.py")))
INSTALLED_APPS += [name for name in _there if name.isidentifier() and name not in _listed]
