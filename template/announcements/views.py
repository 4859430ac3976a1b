from functools import partial

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.generic import CreateView, DetailView, View
from django.views.generic.detail import SingleObjectMixin
from django_htmx.middleware import HtmxDetails

from accounts.models import User

from .forms import AnnouncementForm
from .models import Announcement
from .tasks import STALLED, start


class AnnouncementsView(PermissionRequiredMixin, CreateView):
    """The announcements so far, and a form for the next, for those who may send one."""

    form_class = AnnouncementForm
    template_name = "announcements/index.html"

    def get_permission_required(self) -> list[str]:
        action = "add" if self.request.method == "POST" else "view"
        return [f"announcements.{action}_announcement"]

    def form_valid(self, form: ModelForm) -> HttpResponse:
        announcement = form.instance
        announcement.created_by = self.request.user
        announcement.token = form.cleaned_data["token"]
        announcement.last_user_id = User.objects.aggregate(newest=Max("pk"))["newest"]
        try:
            with transaction.atomic():
                answer = super().form_valid(form)
                transaction.on_commit(partial(start, announcement.pk))
        except IntegrityError:
            # The same form once more, as by a double click: that announcement is on its way.
            return redirect(Announcement.objects.get(token=announcement.token))
        return answer

    def get_context_data(self, **context) -> dict[str, object]:
        return super().get_context_data(announcements=Announcement.objects.all()[:20], **context)


class ProgressView(PermissionRequiredMixin, DetailView):
    """How far an announcement has come. The page asks for the progress alone until it is done."""

    model = Announcement
    permission_required = "announcements.view_announcement"

    def get_template_names(self) -> list[str]:
        return [f"announcements/{'_progress' if HtmxDetails(self.request) else 'detail'}.html"]

    def get_context_data(self, **context) -> dict[str, object]:
        announcement = self.object
        progress = announcement.progress()
        return super().get_context_data(
            progress=progress,
            stalled=progress["waiting"]
            and not announcement.stopped_at
            and announcement.moved_at < timezone.now() - STALLED,
            error=announcement.last_error() if progress["waiting"] else "",
            **context,
        )


class StopView(PermissionRequiredMixin, SingleObjectMixin, View):
    """Stops an announcement that is on its way."""

    model = Announcement
    permission_required = "announcements.change_announcement"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        announcement = self.get_object()
        announcement.stop(by=request.user)
        return redirect(announcement)
