"""The receipt; its reference is the order's key."""

from outbox.models import Email

from .models import Order

RECEIPT = "receipt"


def receipt(email: Email) -> tuple[str, str]:
    """Return the subject and the text."""
    order = Order.objects.select_related("product").get(pk=email.reference)
    return (
        f"Your order {order.pk}",
        f"Hi {email.user.name},\n\n"
        f"{order.quantity} x {order.product} is on its way to {order.address}.\n"
        f"You paid {order.amount}.\n",
    )
