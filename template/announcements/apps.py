from django.apps import AppConfig


class AnnouncementsConfig(AppConfig):
    """An e-mail to every user: high volume, in small steps."""

    name = "announcements"
    title = "Announcements"
    purpose = "an e-mail to every user"
    url_prefix = "announcements"
    permission = "announcements.view_announcement"
    needs = {"tasks": "add-celery"}
    bulk_emails = {"announcement": "announcements.emails.announcement"}
    schedules = {
        "Continue announcements": {
            "task": "announcements.tasks.continue_announcements",
            "cron": "* * * * *",
            "expires": 60,
        },
    }
