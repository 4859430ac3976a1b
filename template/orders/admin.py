from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from workflows import client

from .models import Order, Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ["name", "price", "stock"]


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """To look at. `OrderWorkflow` moves orders, and keeps the books balanced."""

    list_display = ["pk", "customer", "product", "quantity", "amount", "state", "reason"]
    list_filter = ["state"]
    list_select_related = ["customer", "product"]
    actions = ["take_back"]

    @admin.action(description="Take back stopped orders", permissions=["take_back"])
    def take_back(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        """Refund and release what they had, and cancel them."""
        from .start import take_back

        stopped = orders.filter(state=Order.State.STOPPED)
        try:
            for order in stopped:
                take_back(order)
        except client.UNAVAILABLE as error:
            self.message_user(request, f"Temporal does not take it now: {error}", messages.ERROR)
        else:
            self.message_user(request, f"{len(stopped)} stopped orders are being taken back.")

    def has_take_back_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.change_order")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False
