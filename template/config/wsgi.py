"""The WSGI entry point: `config.wsgi:application`."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    # A wrong variable is the user's to correct; a traceback would hide which one.
    print(f"config.wsgi: {error}", file=sys.stderr)
    raise SystemExit(4) from None  # gunicorn does not try again
