from functools import partial

from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from tasks.access import staff_required

from .forms import AnnouncementForm
from .models import Announcement
from .tasks import STALLED, start


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def index(request: HttpRequest) -> HttpResponse:
    """The announcements so far, and a form for the next."""
    form = AnnouncementForm(request.POST or None)
    if form.is_valid():
        announcement = form.save(commit=False)
        announcement.created_by = request.user
        announcement.last_user_id = User.objects.aggregate(newest=Max("pk"))["newest"]
        with transaction.atomic():
            announcement.save()
            transaction.on_commit(partial(start, announcement.pk))
        return redirect(announcement)
    return render(
        request,
        "announcements/index.html",
        {"form": form, "announcements": Announcement.objects.all()[:20]},
    )


@require_safe
@staff_required
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """How far an announcement has come. The page asks for the progress alone until it is done."""
    announcement = get_object_or_404(Announcement, pk=pk)
    progress = announcement.progress()
    context = {
        "announcement": announcement,
        "progress": progress,
        "stalled": progress["waiting"] and announcement.moved_at < timezone.now() - STALLED,
        "error": announcement.last_error() if progress["waiting"] else "",
    }
    template = "_progress" if request.htmx else "detail"
    return render(request, f"announcements/{template}.html", context)
