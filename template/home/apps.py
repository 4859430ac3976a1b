from django.apps import AppConfig


class HomeConfig(AppConfig):
    """The start page, `/health/`, and in development the live state and the sent e-mails.

    It knows no backend. An app whose config has ``start_page_template`` puts that template on the
    start page; one with ``health_checks`` adds its dependencies to `/health/` (see `health.py`).
    """

    name = "home"
    health_checks = {"database": "home.health.check_database"}
