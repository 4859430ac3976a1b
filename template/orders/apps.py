from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """A small shop, to show a saga: `OrderWorkflow`."""

    name = "orders"
    title = "Orders"
    purpose = "stock, payment, shipment: all of it, or none"
    needs = {"workflows": "add-temporal"}
    url_prefix = "orders"
    emails = {"receipt": "orders.emails.receipt"}
    workflows = ["orders.workflow"]
    activities = ["orders.activities"]
    start_missing = "orders.start.start_missing"
