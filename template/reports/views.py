import logging
from typing import Any

from celery.result import AsyncResult
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView
from django_htmx.middleware import HtmxDetails
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from .tasks import count_by_day

logger = logging.getLogger(__name__)


# Whoever may see all users may count them.
PERMISSION = "accounts.view_user"


class OrderView(PermissionRequiredMixin, TemplateView):
    """A button that orders the report. Its page waits for it."""

    permission_required = PERMISSION
    template_name = "reports/index.html"

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            result = count_by_day.delay()
        except (OperationalError, RuntimeError) as error:  # the latter from the result backend
            logger.warning("The report was not ordered: %s", error)
            messages.error(request, "The report could not be ordered: Redis does not answer.")
            return redirect("reports:index")
        return redirect("reports:detail", signing.dumps(result.id, salt="report"))


@method_decorator(never_cache, name="dispatch")
class ReportView(PermissionRequiredMixin, TemplateView):
    """The report, once it is made. The page asks for it again and again until then.

    For Celery, a result that is not there yet, one that has expired, and one that nobody ordered
    are all the same. The signed token, with its time, tells them apart.
    """

    permission_required = PERMISSION

    def get_template_names(self) -> list[str]:
        return [f"reports/{'_report' if HtmxDetails(self.request) else 'detail'}.html"]

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        context["state"] = "EXPIRED"
        try:
            task_id = signing.loads(
                context["token"], salt="report", max_age=settings.CELERY_RESULT_EXPIRES
            )
        except signing.SignatureExpired:
            pass
        except signing.BadSignature:
            raise Http404 from None
        else:
            result = AsyncResult(task_id)
            try:
                context |= {"state": result.state, "days": result.result}
            except RedisError as error:
                logger.warning("The report's state is unknown: %s", error)
                context["state"] = "UNKNOWN"
        context["waiting"] = context["state"] in {"PENDING", "STARTED", "RETRY", "UNKNOWN"}
        return super().get_context_data(**context)
