"""What error pages, and mails about errors, may show."""

import re

from django.views.debug import SafeExceptionReporterFilter


class Filter(SafeExceptionReporterFilter):
    """Django's, which also hides addresses: they hold passwords (``CELERY_BROKER_URL``)."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URL|BROKER|BACKEND", re.IGNORECASE
    )
