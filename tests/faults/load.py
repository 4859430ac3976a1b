"""What visitors do, on the stack whose environment this process has: `python load.py WHAT …`.

In a process of its own, as the site's: with the project's own settings and connections.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable

import django
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connections

# Seconds between two visitors.
PACE = 0.1


def sign_ups(prefix: str, count: str) -> None:
    """So many people sign up."""
    from accounts.signup import sign_up

    for number in range(int(count)):
        email = f"{prefix}-{number}@example.com"
        with contextlib.suppress(IntegrityError):  # it was written, though nobody was told
            again_and_again(lambda email=email: sign_up(email, prefix, "difference-engine"))
        time.sleep(PACE)


def again_and_again(do: Callable[[], object]) -> None:
    """As visitors do who see that the site is not there: while its database is away."""
    end = time.monotonic() + 60
    while True:
        try:
            do()
            return
        except (InterfaceError, OperationalError):
            connections.close_all()
            if time.monotonic() > end:
                raise
            time.sleep(PACE)


def tasks(prefix: str, count: str) -> None:
    """So many tasks are published, of an e-mail that has been sent already."""
    from accounts.models import User
    from tasks.emails import send_welcome_email

    user = User.objects.get(email=f"{prefix}-0@example.com")
    for _ in range(int(count)):
        send_welcome_email.delay(user.pk)


def orders(prefix: str, count: str) -> None:
    """Somebody orders so many things, one by one."""
    from accounts.models import User
    from orders.models import Order, Product
    from orders.start import start_order

    customer, _ = User.objects.get_or_create(email=f"{prefix}@example.com")
    product, _ = Product.objects.get_or_create(name=prefix, price=1, stock=int(count))
    for _ in range(int(count)):
        order = Order.objects.create(
            customer=customer, product=product, amount=1, address="1 Long Street"
        )
        with contextlib.suppress(Exception):  # as the page does: the sweep starts it
            start_order(order)
        time.sleep(PACE)


def ordered(prefix: str) -> None:
    """Print how many of the orders are done, how many parcels there are, and what is left."""
    from orders.models import Order, Product, Shipment

    mine = Order.objects.filter(product__name=prefix)
    done = mine.exclude(state__in=Order.UNFINISHED).count()
    parcels = Shipment.objects.filter(order__in=mine, recalled_at=None).count()
    print(json.dumps([done, parcels, Product.objects.get(name=prefix).stock]))


if __name__ == "__main__":
    django.setup()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    {"sign-ups": sign_ups, "tasks": tasks, "orders": orders, "ordered": ordered}[sys.argv[1]](
        *sys.argv[2:]
    )
