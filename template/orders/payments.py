"""A payment provider that is a table, in the place of one on the internet. For development.

As with a real one, each charge has an idempotency key: the same key never charges twice. A refund
for a charge that never came is remembered too, so that one that comes late is refused. And what it
did stays done whatever becomes of the caller's transaction, so it cannot be called within one.
"""

from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from .models import Payment

CARD_LIMIT = Decimal("500.00")


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
    with transaction.atomic(durable=True):
        payment, _ = Payment.objects.get_or_create(key=key, defaults={"amount": amount})
    if payment.refunded_at:
        raise Declined("the payment was called off before it came")


def refund(key: str) -> None:
    """Give back what was charged with this key, if anything, once."""
    with transaction.atomic(durable=True):
        # What stands first in the charge's place decides: the charge, or that none may come.
        Payment.objects.get_or_create(key=key, defaults={"amount": 0})
        Payment.objects.filter(key=key, refunded_at=None).update(refunded_at=timezone.now())


def balance(key: str) -> Decimal:
    """What was charged with this key and not given back."""
    payment = Payment.objects.filter(key=key, refunded_at=None).first()
    return payment.amount if payment else Decimal(0)
