"""Signals with which the project's own domain tells others what happened."""

from django.dispatch import Signal

user_signed_up = Signal()
"""Sent after the sign-up is committed, in the request, with ``user``.

A receiver hands work over to its backend. It takes less than a second whatever state that
backend is in, and raises if it could not hand the work over; the sign-up stands all the same.
"""
