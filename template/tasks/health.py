"""What `/health/` asks of this backend."""

from celery import current_app


def check_redis() -> None:
    """Raise `OperationalError` unless Redis answers, within the time that publishing gets too."""
    with current_app.connection_for_write() as connection:
        connection.default_channel  # noqa: B018 - opens it, and asks Redis
