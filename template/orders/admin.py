from django.contrib import admin
from django.http import HttpRequest

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

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False
