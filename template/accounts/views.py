import ipaddress
from contextlib import suppress

from axes.models import AccessAttempt
from axes.utils import reset as unlock
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView
from django.contrib.messages.views import SuccessMessageMixin
from django.core import signing
from django.core.cache import cache
from django.db import IntegrityError
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from .emails import WELCOME
from .forms import SignUpForm
from .models import User
from .signup import send_reset, sign_up

# How often somebody at one address may sign up, and ask for new passwords, in an hour.
LIMIT = 20
# Wrong passwords in an hour after which a login is locked for all addresses.
LIMIT_FOR_ALL = 50

USELESS = {
    "title": "This link is of no use any more",
    "lead": "Ask for a new password: its e-mail confirms your address, too.",
    "button": "",
}


class SignUpView(FormView):
    form_class = SignUpForm
    template_name = "accounts/form.html"
    extra_context = {"title": "Sign up", "button": "Sign up"}
    success_url = reverse_lazy("home")

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        if too_often(self.request):
            return too_many(self.request)
        data = form.cleaned_data
        try:
            signup = sign_up(data["email"], data["name"], data["password1"])
        except IntegrityError:
            # Somebody else took the address since the form was checked.
            form.add_error("email", "A user with that email address already exists.")
            return self.form_invalid(form)
        login(self.request, signup.user, backend="django.contrib.auth.backends.ModelBackend")
        notify, news = messages.success, f"An e-mail to {signup.user.email} is on its way."
        if signup.delayed:
            notify = messages.warning
            news = "Our mail is held up; your welcome e-mail follows as soon as it flows again."
        notify(self.request, f"Welcome, {signup.user.name}! {news}")
        return super().form_valid(form)


@never_cache
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm an address, with a button: programs that look for bad links follow each of them."""
    try:
        email = signing.loads(token, salt=WELCOME, max_age=settings.PASSWORD_RESET_TIMEOUT)
        user = User.objects.get(email=email, is_active=True)
    except (signing.BadSignature, User.DoesNotExist):
        return render(request, "accounts/form.html", USELESS, status=410)
    if request.method == "POST":
        user.confirm_email()
        messages.success(request, f"{user.email} is confirmed. Thank you.")
        return redirect("home")
    context = {"title": "Confirm your address", "lead": user.email, "button": "Confirm"}
    return render(request, "accounts/form.html", context)


class ResetView(SuccessMessageMixin, FormView):
    """Sends a link for a new password. The answer is the same whether there is such an account."""

    form_class = PasswordResetForm
    template_name = "accounts/form.html"
    success_url = reverse_lazy("accounts:login")
    success_message = "If this address has an account, an e-mail with a link is on its way."
    extra_context = {"title": "A new password", "button": "Send me a link"}

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        if too_often(self.request):
            return too_many(self.request)
        for user in form.get_users(form.cleaned_data["email"]):
            send_reset(user)
        return super().form_valid(form)


class NewPasswordView(SuccessMessageMixin, PasswordResetConfirmView):
    """Whoever has the link reads the address's mail: it is confirmed, and no longer locked."""

    template_name = "accounts/form.html"
    success_url = reverse_lazy("accounts:login")
    success_message = "Your password is changed. Log in with the new one."
    extra_context = {"title": "A new password", "button": "Save"}

    def get_context_data(self, **context: object) -> dict[str, object]:
        return super().get_context_data(**context) | ({} if self.validlink else USELESS)

    def form_valid(self, form: SetPasswordForm) -> HttpResponse:
        form.user.confirm_email()
        unlock(username=form.user.email)
        return super().form_valid(form)


def too_many(request: HttpRequest, *_: object) -> HttpResponse:
    """What somebody sees who tries too often: a login, too, also in the admin."""
    context = {
        "title": "Too many attempts",
        "lead": "Try again in an hour. If you have forgotten your password, ask for a new one.",
    }
    return render(request, "accounts/form.html", context, status=429)


def too_often(request: HttpRequest) -> bool:
    """Whether this address has done so `LIMIT` times in the last hour.

    Each process counts for itself, unless CACHES names a cache that they share.
    """
    if settings.DEBUG:
        return False  # everything comes from this machine
    key = f"{request.path}-{client_address(request)}"
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
