"""The ASGI entry point: `config.asgi:application`."""

import os
import sys

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    application = get_asgi_application()
except ImproperlyConfigured as error:
    # As in `wsgi.py`.
    print(f"config.asgi: {error}", file=sys.stderr)
    raise SystemExit(4) from None
