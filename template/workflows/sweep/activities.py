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
    """Let each app start the workflows that its rows promise and Temporal does not have yet.

    An app that fails does not keep the others from it. Fails in the end if one did. Also notes the
    workflows that failed, before Temporal forgets them.
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
        raise ApplicationError(
            f"Missing workflows could not be started: {', '.join(failed)}. The worker's log says"
            " why.",
            type="StartMissingFailed",
            non_retryable=True,  # the next sweep is the retry
        )


@activity.defn(no_thread_cancel_exception=True)
def find_overdue_emails() -> list[EmailInput]:
    """Return e-mails that are due for a while, the longest first.

    Without those that their own apps send in bulk.
    """
    overdue = due().filter(not_before__lte=timezone.now() - OVERDUE_AFTER)
    promises = overdue.exclude(kind__in=kinds.bulk()).values_list("user_id", "kind", "reference")
    return [EmailInput(*promise) for promise in promises[:500]]
