import logging

from celery.result import AsyncResult
from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tasks.access import staff_required

from .tasks import count_by_day

logger = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def index(request: HttpRequest) -> HttpResponse:
    """A button that orders the report. Its page waits for it."""
    if request.method == "POST":
        try:
            result = count_by_day.delay()
        except (OperationalError, RuntimeError) as error:  # the latter from the result backend
            logger.warning("The report was not ordered: %s", error)
            messages.error(request, "The report could not be ordered: Redis does not answer.")
            return redirect("reports:index")
        return redirect("reports:detail", signing.dumps(result.id, salt="report"))
    return render(request, "reports/index.html")


@never_cache
@require_safe
@staff_required
def detail(request: HttpRequest, token: str) -> HttpResponse:
    """The report, once it is made. The page asks for it again and again until then.

    For Celery, a result that is not there yet, one that has expired, and one that nobody ordered
    are all the same. The signed token, with its time, tells them apart.
    """
    context = {"state": "EXPIRED"}
    try:
        task_id = signing.loads(token, salt="report", max_age=settings.CELERY_RESULT_EXPIRES)
    except signing.SignatureExpired:
        pass
    except signing.BadSignature:
        raise Http404 from None
    else:
        result = AsyncResult(task_id)
        try:
            context = {"state": result.state, "days": result.result}
        except RedisError as error:
            logger.warning("The report's state is unknown: %s", error)
            context = {"state": "UNKNOWN"}
    context["waiting"] = context["state"] in {"PENDING", "STARTED", "RETRY", "UNKNOWN"}
    template = "_report" if request.htmx else "detail"
    return render(request, f"reports/{template}.html", context)
