from functools import partial

from django.contrib.auth.mixins import UserPassesTestMixin
from django.db import transaction
from django.db.models import Max
from django.http import HttpResponse
from django.utils import timezone
from django.views.generic import CreateView, DetailView

from accounts.models import User

from .forms import AnnouncementForm
from .models import Announcement
from .tasks import STALLED, start


class StaffPage(UserPassesTestMixin):
    """Lets staff in. Visitors come to the login page first; other users get 403."""

    def test_func(self) -> bool:
        return self.request.user.is_staff


class AnnouncementsView(StaffPage, CreateView):
    """The announcements so far, and a form for the next."""

    form_class = AnnouncementForm
    template_name = "announcements/index.html"

    def form_valid(self, form: AnnouncementForm) -> HttpResponse:
        announcement = form.instance
        announcement.created_by = self.request.user
        announcement.last_user_id = User.objects.aggregate(newest=Max("pk"))["newest"]
        with transaction.atomic():
            answer = super().form_valid(form)
            transaction.on_commit(partial(start, announcement.pk))
        return answer

    def get_context_data(self, **context) -> dict[str, object]:
        return super().get_context_data(announcements=Announcement.objects.all()[:20], **context)


class ProgressView(StaffPage, DetailView):
    """How far an announcement has come. The page asks for the progress alone until it is done."""

    model = Announcement

    def get_template_names(self) -> list[str]:
        return [f"announcements/{'_progress' if self.request.htmx else 'detail'}.html"]

    def get_context_data(self, **context) -> dict[str, object]:
        announcement = self.object
        progress = announcement.progress()
        return super().get_context_data(
            progress=progress,
            stalled=progress["waiting"] and announcement.moved_at < timezone.now() - STALLED,
            error=announcement.last_error() if progress["waiting"] else "",
            **context,
        )
