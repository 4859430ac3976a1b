from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, sign-up and its two e-mails, and a new password for who has forgotten theirs."""

    name = "accounts"
    emails = {
        "welcome": "accounts.emails.welcome",
        "follow-up": "accounts.emails.follow_up",
        "password-reset": "accounts.emails.password_reset",
    }
    emails_before_confirmation = ["welcome", "password-reset"]
