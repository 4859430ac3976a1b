"""What the e-mails of a sign-up say."""

from outbox.models import Email

WELCOME = "welcome"
FOLLOW_UP = "follow-up"


def welcome(email: Email) -> tuple[str, str]:
    """Return the subject and the text."""
    return "Welcome!", f"Hi {email.user.name},\n\nyour account is ready. Good to have you here.\n"


def follow_up(email: Email) -> tuple[str, str]:
    """Return the subject and the text."""
    return (
        "How's it going?",
        f"Hi {email.user.name},\n\nyou have been with us for a day. Is anything missing?\n",
    )
