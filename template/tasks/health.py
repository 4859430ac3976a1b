"""What `/health/` asks of this backend."""

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def check_redis() -> None:
    """Raise unless Redis answers within a second."""
    client = Redis.from_url(
        settings.CELERY_BROKER_URL,
        socket_connect_timeout=0.25,  # for each address: localhost has two
        socket_timeout=0.4,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        client.ping()
