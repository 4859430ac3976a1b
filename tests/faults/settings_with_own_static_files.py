"""The project's settings, for a site beside the stack's, which collects its own static files."""

from config.settings import *  # noqa: F403
from config.settings import DATA_DIR

STATIC_ROOT = DATA_DIR / "staticfiles"
