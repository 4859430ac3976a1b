"""The receipt, a kind of e-mail in the ledger: ``receipt:<order id>``."""

from accounts.models import Email

from .models import Order


def kind(order_id: int) -> str:
    return f"receipt:{order_id}"


def receipt(email: Email) -> tuple[str, str]:
    """Return the subject and the text."""
    order = Order.objects.select_related("product").get(pk=email.kind.partition(":")[2])
    return (
        f"Your order {order.pk}",
        f"Hi {email.user.name},\n\n"
        f"{order.quantity} x {order.product} is on its way to {order.address}.\n"
        f"You paid {order.amount}.\n",
    )
