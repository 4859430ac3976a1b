"""What error pages, and mails about errors, may show."""

import re

from django.views.debug import SafeExceptionReporterFilter


class Filter(SafeExceptionReporterFilter):
    """Django's, which also hides addresses such as a broker's: they hold passwords."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URL|BROKER|BACKEND", re.IGNORECASE
    )


def without_passwords(text: str) -> str:
    """The text of an error without the logins in its addresses, such as smtp://me:secret@host."""
    return re.sub(r"(?<=://)[^\s/@]*@", "…@", text)
