from functools import partial

from django.contrib.auth.mixins import UserPassesTestMixin
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


class StaffPage(UserPassesTestMixin, View):
    """Lets staff look, and those do something who have the permission in the admin.

    Visitors come to the login page first; other users get 403.
    """

    permission = ""

    def test_func(self) -> bool:
        user = self.request.user
        if self.request.method == "POST":
            return user.is_staff and user.has_perm(self.permission)
        return user.is_staff


class AnnouncementsView(StaffPage, CreateView):
    """The announcements so far, and a form for the next."""

    form_class = AnnouncementForm
    template_name = "announcements/index.html"
    permission = "announcements.add_announcement"

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


class ProgressView(StaffPage, DetailView):
    """How far an announcement has come. The page asks for the progress alone until it is done."""

    model = Announcement

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


class StopView(StaffPage, SingleObjectMixin, View):
    """Stops an announcement that is on its way."""

    model = Announcement
    permission = "announcements.change_announcement"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        announcement = self.get_object()
        announcement.stop()
        return redirect(announcement)
