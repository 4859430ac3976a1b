"""The settings: the project's own, then those of each installed backend.

A backend keeps its settings in its own folder, in a file named ``settings.py``. It runs in the
same scope, after ``base.py``, and so adds to ``INSTALLED_APPS`` and reads ``env`` directly.
"""

from split_settings.tools import include, optional

include("base.py", optional("../../*/settings.py"))
