"""A payment provider that is a folder, in the place of one on the internet. For development.

As with a real one, each charge has an idempotency key: the same key never charges twice. A refund
for a charge that never came is remembered too, so that one that comes late is refused.
"""

import json
import os
import tempfile
from decimal import Decimal
from pathlib import Path

from django.conf import settings

CARD_LIMIT = Decimal("500.00")


def folder() -> Path:
    """Where the provider keeps its books."""
    return Path(settings.DATA_DIR, "payments")


def refusal() -> str:
    """Why nobody can pay here, or nothing. It would give goods away where they are real."""
    if settings.DEBUG:
        return ""
    return "This shop is an example for development: no payment is real (orders/payments.py)."


class Declined(Exception):
    """The provider will not take this payment. Trying again does not help."""


def charge(key: str, amount: Decimal) -> None:
    """Take ``amount`` from the card, once for each key. Raises `Declined`."""
    if refusal():
        raise Declined(refusal())
    if amount > CARD_LIMIT:
        raise Declined(f"the card's limit is {CARD_LIMIT}")
    written = _write_once(_file(key), {"key": key, "amount": str(amount)})
    if "amount" not in written:
        raise Declined("the payment was called off before it came")


def refund(key: str) -> None:
    """Give back what was charged with this key, if anything, once."""
    # What stands first in the charge's place decides: the charge, or the note that none may come.
    _write_once(_file(key), {"key": key})
    _write_once(_file(key, ".refund"), {"key": key})


def balance(key: str) -> Decimal:
    """What was charged with this key and not given back."""
    try:
        amount = Decimal(json.loads(_file(key).read_text()).get("amount", 0))
    except FileNotFoundError:
        return Decimal(0)
    return Decimal(0) if _file(key, ".refund").exists() else amount


def _file(key: str, suffix: str = "") -> Path:
    return folder() / f"{key.replace('/', '.')}{suffix}.json"


def _write_once(file: Path, content: dict) -> dict:
    """Write the file unless it exists, and return what it says. No reader sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".tmp") as new:
        json.dump(content, new)
        new.flush()
        os.fsync(new.fileno())
        try:
            os.link(new.name, file)
        except FileExistsError:
            return json.loads(file.read_text())
    return content
