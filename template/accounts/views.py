from django.contrib import messages
from django.contrib.auth import login
from django.db import IntegrityError
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic import FormView

from .forms import SignUpForm
from .signup import sign_up


class SignUpView(FormView):
    form_class = SignUpForm
    template_name = "accounts/signup.html"
    success_url = reverse_lazy("home")

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        data = form.cleaned_data
        try:
            signup = sign_up(data["email"], data["name"], data["password1"])
        except IntegrityError:
            # Somebody else took the address since the form was checked.
            form.add_error("email", "A user with that email address already exists.")
            return self.form_invalid(form)
        login(self.request, signup.user)
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
