"""The whole way, once: a real Redis and a real worker."""

from accounts.emails import WELCOME
from accounts.signup import sign_up
from outbox.models import Email
from tasks.fixtures import CeleryCommand, RedisServer, wait_until


def test_a_sign_up_sends_one_welcome(celery: CeleryCommand, redis_server: RedisServer):
    worker = celery.worker()
    sign_up("ada@example.com", "Ada", "difference-engine")

    wait_until(lambda: Email.objects.get(kind=WELCOME).sent_at, "the e-mail")
    [mail] = celery.mails()
    assert "Subject: Welcome!" in mail
    assert "To: ada@example.com" in mail

    worker.wait_for("succeeded")
    assert redis_server.client.keys("celery-task-meta-*") == []  # its result is of no interest
    assert worker.stop() == 0
