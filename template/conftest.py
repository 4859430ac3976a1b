"""Settings for the tests, before Django reads them: development's, and nothing of `.env`."""

import os

os.environ.setdefault("DJANGO_DEBUG", "true")
