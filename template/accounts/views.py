import ipaddress
from contextlib import suppress

from axes.models import AccessAttempt
from axes.utils import reset as unlock
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.views import PasswordResetConfirmView, PasswordResetView
from django.core import signing
from django.core.cache import cache
from django.db import IntegrityError
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.generic import FormView

from .emails import WELCOME
from .forms import ResetForm, SignUpForm
from .models import User
from .signup import sign_up

# How often somebody at one address may sign up, and ask for new passwords, in an hour.
LIMIT = 20
# Wrong passwords in an hour after which a login is locked for all addresses.
LIMIT_FOR_ALL = 50

USELESS = "This link is of no use any more"


class SignUpView(FormView):
    form_class = SignUpForm
    template_name = "accounts/form.html"
    extra_context = {"title": "Sign up", "button": "Sign up"}
    success_url = reverse_lazy("home")

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        if too_often(self.request, "sign-up"):
            return too_many(self.request)
        data = form.cleaned_data
        try:
            signup = sign_up(data["email"], data["name"], data["password1"])
        except IntegrityError:
            # Somebody else took the address since the form was checked.
            form.add_error("email", "A user with that email address already exists.")
            return self.form_invalid(form)
        login(self.request, signup.user, backend="django.contrib.auth.backends.ModelBackend")
        if signup.delayed:
            messages.warning(
                self.request,
                f"Welcome, {signup.user.name}! Your account is ready. Our mail is held up at the"
                " moment; your welcome e-mail follows as soon as it flows again.",
            )
        else:
            messages.success(
                self.request,
                f"Welcome, {signup.user.name}! An e-mail to {signup.user.email} is on its way.",
            )
        return super().form_valid(form)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm an address, with a button: programs that look for bad links follow each of them."""
    user = None
    with suppress(signing.BadSignature):
        email = signing.loads(token, salt=WELCOME, max_age=settings.PASSWORD_RESET_TIMEOUT)
        user = User.objects.filter(email=email, is_active=True).first()
    if user is None:
        context = {
            "title": USELESS,
            "lead": "Ask for a new password instead: its e-mail confirms your address, too.",
        }
        return render(request, "accounts/form.html", context, status=410)
    if request.method == "POST":
        user.confirm_email()
        messages.success(request, f"{user.email} is confirmed. Thank you.")
        return redirect("home")
    context = {"title": "Confirm your address", "lead": user.email, "button": "Confirm"}
    return render(request, "accounts/form.html", context)


class ResetView(PasswordResetView):
    """Sends a link for a new password. The answer is the same whether there is such an account."""

    form_class = ResetForm
    template_name = "accounts/form.html"
    success_url = reverse_lazy("accounts:login")
    extra_context = {"title": "A new password", "button": "Send me a link"}

    def form_valid(self, form) -> HttpResponse:
        if too_often(self.request, "reset"):
            return too_many(self.request)
        messages.success(
            self.request,
            "If there is an account with this address, an e-mail with a link is on its way. Should"
            " our mail be held up, it comes later.",
        )
        return super().form_valid(form)


class NewPasswordView(PasswordResetConfirmView):
    """Whoever has the link reads the address's mail: it is confirmed, and no longer locked."""

    template_name = "accounts/form.html"
    success_url = reverse_lazy("accounts:login")

    def get_context_data(self, **context: object) -> dict[str, object]:
        context = super().get_context_data(**context)
        if context["validlink"]:
            return context | {"title": "A new password", "button": "Save"}
        return context | {"title": USELESS, "lead": "Ask for another one."}

    def form_valid(self, form) -> HttpResponse:
        answer = super().form_valid(form)
        form.user.confirm_email()
        unlock(username=form.user.email)
        messages.success(self.request, "Your password is changed. Log in with the new one.")
        return answer


def too_many(request: HttpRequest, *_: object) -> HttpResponse:
    """What somebody sees who tries too often: a login, too, also in the admin."""
    context = {
        "title": "Too many attempts",
        "lead": "Try again in an hour. If you have forgotten your password, ask for a new one.",
    }
    return render(request, "accounts/form.html", context, status=429)


def too_often(request: HttpRequest, what: str) -> bool:
    """Whether this address has done it `LIMIT` times in the last hour.

    Each process counts for itself, unless CACHES names a cache that they share.
    """
    if settings.DEBUG:
        return False  # everything comes from this machine
    key = f"{what} {client_address(request)}".replace(" ", "-")
    cache.add(key, 0, timeout=60 * 60)
    return cache.incr(key) > LIMIT


def client_address(request: HttpRequest) -> str | None:
    """Who asks. Behind a proxy, the last address that it names: it has written that one itself."""
    if settings.SECURE_PROXY_SSL_HEADER:
        with suppress(ValueError):
            forwarded = request.headers.get("X-Forwarded-For", "")
            return str(ipaddress.ip_address(forwarded.rpartition(",")[2].strip()))
    return request.META.get("REMOTE_ADDR")  # a Unix socket has none


def login_name(request: HttpRequest, credentials: dict | None) -> str | None:
    """The login as the database has it, whatever was typed."""
    name = User._meta.get_field("email").get_prep_value((credentials or {}).get("username"))
    return name and name[:254]  # the normal form of a text may be longer than the text


def lock_by(request: HttpRequest, credentials: dict | None) -> list:
    """By what a login is locked: together with the address, or for all after `LIMIT_FOR_ALL`."""
    attempts = AccessAttempt.objects.filter(
        username=login_name(request, credentials),
        attempt_time__gt=timezone.now() - settings.AXES_COOLOFF_TIME,
    )
    guesses = attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
    return ["username"] if guesses >= LIMIT_FOR_ALL else [["username", "ip_address"]]
