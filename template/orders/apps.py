from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """A small shop, to show a saga: `OrderWorkflow`. Nothing else needs it."""

    name = "workflows.orders"
    url_prefix = "workflows/orders"

    def ready(self) -> None:
        from accounts import emails

        from .emails import receipt

        emails.writers["receipt"] = receipt
