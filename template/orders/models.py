"""What the shop has, and what was ordered.

Each step of `OrderWorkflow` writes a row whose key is unique. The key is the workflow's id and the
step, so however often the step runs, its effect is there once.
"""

from uuid import uuid4

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models

# What stands on an order for its customer. A longer reason is cut.
REASON_LENGTH = 200


def new_workflow_id() -> str:
    """An id that no order has had, also if a backup is restored and numbers come again."""
    return f"order-{uuid4().hex}"


class Product(models.Model):
    name = models.CharField(max_length=100, unique=True)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.PositiveIntegerField(help_text="What is on the shelf and not reserved.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """What a customer ordered, and how far it got. Pages show this; the workflow moves it."""

    class State(models.TextChoices):
        PLACED = "placed"
        RESERVED = "reserved"
        PAID = "paid"
        SHIPPED = "shipped"
        CANCELLED = "cancelled"
        # Its workflow was terminated. Nothing moves it until somebody decides, in the admin.
        STOPPED = "stopped"

    UNFINISHED = (State.PLACED, State.RESERVED, State.PAID)

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    address = models.CharField("ship to", max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.PLACED)
    reason = models.CharField(
        max_length=REASON_LENGTH, blank=True, help_text="What the customer reads."
    )
    token = models.UUIDField(
        null=True, unique=True, editable=False, help_text="Of the form: sent twice, it is one order"
    )
    workflow_id = models.CharField(
        max_length=60, unique=True, editable=False, default=new_workflow_id
    )
    placed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"order {self.pk}"


class Reservation(models.Model):
    """Stock that is set aside for an order."""

    key = models.CharField(max_length=100, unique=True)
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveSmallIntegerField()
    released_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key


class Shipment(models.Model):
    """A parcel that the carrier was told to fetch."""

    key = models.CharField(max_length=100, unique=True)
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    address = models.CharField(max_length=200)
    recalled_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key


class Payment(models.Model):
    """A line in the books of the payment provider, which no row of the shop refers to.

    It stands for what is not in this database: `payments.py` alone reads and writes it.
    """

    key = models.CharField(max_length=100, unique=True)
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    refunded_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key
