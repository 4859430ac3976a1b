#!/usr/bin/env python
"""Django's command-line utility for administrative tasks."""

import os
import sys


def main() -> None:
    """Run administrative tasks."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        raise SystemExit("There is no Django in this Python: sh dev just manage …") from None
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A wrong variable is the user's to correct; a traceback would hide which one.
        raise SystemExit(f"{sys.argv[0]}: {error}") from None


if __name__ == "__main__":
    main()
