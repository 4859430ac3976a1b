"""Signing up: the account and the promise of its e-mails, in one transaction. A new password."""

import logging
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from threading import BoundedSemaphore, Thread

from django.db import connections, transaction
from django.dispatch import Signal
from django.utils import timezone

from outbox.delivery import State, deliver
from outbox.promises import promise

from .emails import FOLLOW_UP, RESET, WELCOME
from .models import User

# How many e-mails for a new password go to one user in a day.
RESETS_A_DAY = 3

# Sent after the sign-up is committed, with ``user``, in a thread of its own. A receiver returns
# whether its backend took the welcome e-mail over, and None if it does not care for that. However
# long it takes, the request goes on after `PATIENCE`; and the sign-up stands all the same.
user_signed_up = Signal()

# Seconds that a request waits for the backends.
PATIENCE = 0.9
# Threads for what requests do not wait for. Who finds none free is left to the periodic sweeps.
_threads = BoundedSemaphore(16)
# For e-mails of new passwords, for which a mail server may take minutes.
_resets = BoundedSemaphore(16)

logger = logging.getLogger(__name__)


@dataclass
class SignUp:
    """A new account, whose welcome e-mail is delayed if nobody has taken that over yet."""

    user: User
    delayed: bool = False


def sign_up(email: str, name: str, password: str) -> SignUp:
    """Create an account and promise its e-mails: a welcome now, a follow-up a day later.

    After the commit, hand the work over to the installed backends; without one, send the welcome
    here. Until the address is confirmed, the follow-up waits, and so does any other e-mail. Raises
    `IntegrityError` if the address has an account.
    """
    user = User(email=email, name=name, email_confirmed_at=None)
    # Before the transaction: it takes a third of a second, and SQLite lets one write at a time.
    user.set_password(password)
    with transaction.atomic():
        user.save(force_insert=True)
        promise([user.pk], WELCOME)
        promise([user.pk], FOLLOW_UP, not_before=timezone.now() + timedelta(days=1))
        signup = SignUp(user)
        # Robust: the user exists by then, so an error there must not answer the request.
        # (A lambda: Django 5.2 cannot log the error of a functools.partial.)
        transaction.on_commit(lambda: _hand_over(signup), robust=True)
    return signup


def _hand_over(signup: SignUp) -> None:
    signup.delayed = True
    answers: list[object] = []

    def ask() -> None:
        said = user_signed_up.send_robust(sender=User, user=signup.user)
        answers.extend(answer for _, answer in said)

    thread = _start(ask, _threads)
    if thread:
        thread.join(PATIENCE)
    if not thread or thread.is_alive():
        logger.warning("User %s: the backends take long; its e-mail is late", signup.user.pk)
    elif any(answer is True for answer in answers):
        signup.delayed = False
    elif all(answer is None for answer in answers):  # there is no backend
        signup.delayed = deliver(signup.user.pk, WELCOME).state is not State.SENT


def _start(work: Callable[[], object], free: BoundedSemaphore) -> Thread | None:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()
            free.release()

    if not free.acquire(blocking=False):
        return None
    # A daemon: the end of the process does not wait for it either. With the request's context.
    thread = Thread(target=copy_context().run, args=(run,), daemon=True)
    thread.start()
    return thread


def send_reset(user: User) -> None:
    """Promise the link for a new password, and send it now, up to `RESETS_A_DAY` times."""
    now = timezone.now()
    recent = user.emails.filter(kind=RESET, not_before__gt=now - timedelta(days=1))
    if recent.count() >= RESETS_A_DAY:
        return
    reference = f"{now:%Y%m%dT%H%M%S}"
    promise([user.pk], RESET, reference=reference)
    # Beside the request: how long a mail server takes would tell a stranger who has an account.
    transaction.on_commit(lambda: _start(lambda: deliver(user.pk, RESET, reference), _resets))
