"""Reading settings from the environment, with errors that say what to do."""

import math
import re
from email.utils import getaddresses
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
# The environment beats .env. The file is for development; production sets real variables.
env.read_env(BASE_DIR / ".env", parse_comments=True, encoding="utf-8-sig")
# The ports that `just up` has chosen beside another folder's stack.
env.read_env(BASE_DIR / (env.str("DATA_DIR", "") or ".data") / "ports.env")


def text(name: str, default: str = "") -> str:
    """A text. A variable that is set to nothing counts as not set, here and below."""
    return env.str(name, "").strip() or default


def texts(name: str, pattern: str = ".*", form: str = "") -> list[str]:
    """A list of texts, separated by commas, each of which must match ``pattern``."""
    values = [part.strip() for part in text(name).split(",") if part.strip()]
    for value in values:
        if not re.fullmatch(pattern, value):
            raise malformed(name, value, form)
    return values


def boolean(name: str, default: bool) -> bool:
    """A switch: ``true`` or ``false`` (also ``on``/``off``, ``yes``/``no``, ``1``/``0``).

    Anything else is refused, because a typing error must not turn a switch off in silence.
    """
    value = text(name).lower()
    if value not in ("", "true", "on", "yes", "1", "false", "off", "no", "0"):
        raise malformed(name, value, "true or false")
    return value in ("true", "on", "yes", "1") if value else default


def number(name: str, default: float, minimum: float = 0) -> float:
    """A number such as ``3`` or ``0.5``, not below ``minimum``."""
    value = text(name, str(default))
    try:
        result = float(value)
    except ValueError:
        result = math.nan
    if not minimum <= result < math.inf:
        raise malformed(name, value, f"a number from {minimum:g} on")
    return int(result) if result.is_integer() else result


def port(name: str, default: int) -> int:
    """A TCP port, from 1 to 65535."""
    value = text(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,4}", value) or int(value) > 65535:
        raise malformed(name, value, "a port from 1 to 65535")
    return int(value)


def email(name: str, default: str) -> str:
    """An e-mail address, perhaps with a name: ``Shop <noreply@example.com>``."""
    value = text(name, default)
    try:
        [(_, address)] = getaddresses([value])
        validate_email(address)
    except (ValueError, ValidationError):
        raise malformed(name, value, "an e-mail address") from None
    return value


def url(name: str, default: str, schemes: tuple[str, ...]) -> str:
    """An address such as ``https://example.com:8443/`` whose scheme is one of ``schemes``."""
    value = text(name, default)
    try:
        parts = urlsplit(value)
        accepted = parts.scheme in schemes and (parts.port or True)
    except ValueError:
        accepted = False
    if not accepted:
        form = " or ".join(f"{scheme}://…" for scheme in schemes)
        shown = value if "@" not in value else "…"  # a password belongs in no log
        raise malformed(name, shown, f"an address of the form {form}")
    return value


def malformed(name: str, value: str, form: str) -> ImproperlyConfigured:
    """The error for a variable that is set, but not to something that can be used."""
    return ImproperlyConfigured(f"{name}={value} is not {form}. Check the environment and .env.")


def missing(name: str, why: str) -> ImproperlyConfigured:
    """The error for a variable that must be set with DEBUG off."""
    return ImproperlyConfigured(
        f"{name} is not set: {why} In development, run the command through `nix develop` or"
        " `sh dev`, which turn DEBUG on unless DJANGO_DEBUG says otherwise."
    )
