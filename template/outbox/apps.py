from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """E-mails that were promised. It knows no other app of the project.

    An app declares its kinds of e-mail in its config: ``emails``, and ``bulk_emails`` for those
    that the app itself sends in bulk (see `outbox.kinds`).
    """

    name = "outbox"
    work = {"outbox.email": "outbox.promises.work"}
