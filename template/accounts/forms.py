from typing import Any

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm, PasswordResetForm

from .models import User
from .signup import send_reset


class SignUpForm(BaseUserCreationForm):
    """Name, address and password. `accounts.signup.sign_up` creates the account."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # The base class puts it on the login's field; the name comes first here.
        del self.fields["email"].widget.attrs["autofocus"]

    class Meta:
        model = User
        fields = ["name", "email"]
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
        }


class ResetForm(PasswordResetForm):
    """Django's, whose e-mails the outbox keeps and sends."""

    def save(self, *args: Any, **options: Any) -> None:
        for user in self.get_users(self.cleaned_data["email"]):
            send_reset(user)
