"""Signing up: the account and the promise of its e-mails, in one transaction."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from outbox.delivery import State, deliver
from outbox.promises import promise

from .emails import FOLLOW_UP, WELCOME
from .models import User

FOLLOW_UP_AFTER = timedelta(hours=24)

# Sent after the sign-up is committed, in the request, with ``user``. A receiver hands work over to
# its backend. It takes less than a second whatever state that backend is in, and raises if it could
# not hand the work over; the sign-up stands all the same.
user_signed_up = Signal()


@dataclass
class SignUp:
    """A new account."""

    user: User
    # Nobody took the welcome e-mail over yet. It will be late, but it is not lost.
    delayed: bool = False


def sign_up(email: str, name: str, password: str) -> SignUp:
    """Create an account and promise its e-mails: a welcome now, a follow-up a day later.

    After the commit, hand the work over to the installed backends; without one, send the welcome
    here. Raises `IntegrityError` if the address has an account.
    """
    with transaction.atomic():
        user = User.objects.create_user(email, password, name=name)
        promise([user.pk], WELCOME)
        promise([user.pk], FOLLOW_UP, not_before=timezone.now() + FOLLOW_UP_AFTER)
        signup = SignUp(user)
        # Robust: the user exists by then, so an error there must not answer the request.
        # (A lambda: Django 5.2 cannot log the error of a functools.partial.)
        transaction.on_commit(lambda: _hand_over(signup), robust=True)
    return signup


def _hand_over(signup: SignUp) -> None:
    signup.delayed = True
    if user_signed_up.has_listeners():
        answers = user_signed_up.send_robust(sender=User, user=signup.user)
        signup.delayed = any(isinstance(answer, Exception) for _, answer in answers)
    else:
        signup.delayed = deliver(signup.user.pk, WELCOME).state is not State.SENT
