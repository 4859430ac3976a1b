"""The settings: the project's own, those of each installed part, and the project's apps.

A part's file runs in the same scope, after ``base.py``, and so adds to ``MIDDLEWARE`` or reads
``DEBUG`` directly. Nothing else in this folder is read by itself.
"""

from split_settings.tools import include, optional

from config.local_apps import add_local_apps

include("base.py", optional("parts/*.py"))

INSTALLED_APPS = add_local_apps(INSTALLED_APPS)
