from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """E-mails that were promised. It knows no other app of the project."""

    name = "outbox"
    work = {"outbox.email": "outbox.promises.work"}
