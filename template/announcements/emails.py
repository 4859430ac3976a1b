"""What the e-mail of an announcement says."""

from outbox.models import Email

from .models import Announcement


def announcement(email: Email) -> tuple[str, str]:
    """Return the subject and the text. The e-mail's reference is the announcement's key."""
    text = Announcement.objects.values_list("subject", "text")
    subject, body = text.get(pk=email.reference)
    return subject, f"Hi {email.user.name},\n\n{body}\n"
