#!/usr/bin/env python
"""Django's command-line utility for administrative tasks."""

import os
import sys


def main() -> None:
    """Run administrative tasks."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError as error:
        raise SystemExit(
            "Django is not installed in this Python. Run the command in the project's environment:\n"
            "  nix develop -c just manage …      with Nix\n"
            "  sh dev just manage …              without"
        ) from error
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
