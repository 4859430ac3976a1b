"""The steps of the sweep."""

import logging
from datetime import timedelta

from django.utils import timezone
from temporalio import activity
from temporalio.exceptions import ApplicationError

from outbox import kinds
from outbox.delivery import due
from workflows import failures
from workflows.declarations import start_missing
from workflows.emails import EmailInput

# How long something is left to the one who is about to do it.
OVERDUE_AFTER = timedelta(minutes=1)

logger = logging.getLogger(__name__)


@activity.defn(no_thread_cancel_exception=True)
def start_missing_workflows() -> None:
    """Let each app start what its rows promise and Temporal does not have yet; note what failed.

    Fails in the end if an app did.
    """
    since = timezone.now() - OVERDUE_AFTER
    failed = []
    for app, start in start_missing().items():
        try:
            start(since)
        except Exception:
            logger.exception("The missing workflows of %s could not be started.", app)
            failed.append(app)
    try:
        failures.look(timeout=10)
    except Exception:
        logger.exception("What failed could not be noted.")
    if failed:
        what = f"Missing workflows could not be started: {', '.join(failed)}. See the worker's log."
        # The next sweep is the retry.
        raise ApplicationError(what, type="StartMissingFailed", non_retryable=True)


@activity.defn(no_thread_cancel_exception=True)
def find_overdue_emails() -> list[EmailInput]:
    """Return e-mails that are due for a while, without those that their apps send in bulk."""
    overdue = due().filter(not_before__lte=timezone.now() - OVERDUE_AFTER)
    promises = overdue.exclude(kind__in=kinds.bulk()).values_list("user_id", "kind", "reference")
    return [EmailInput(*promise) for promise in promises[:500]]
