from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, sign-up, and the two e-mails that a sign-up promises."""

    name = "accounts"
    emails = {"welcome": "accounts.emails.welcome", "follow-up": "accounts.emails.follow_up"}
