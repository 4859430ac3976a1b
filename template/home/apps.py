from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured


class HomeConfig(AppConfig):
    """The start page, `/health/`, and in development the live state and the sent e-mails.

    It knows no other app: it shows what each declares in its config (README.md, "Your own app").
    """

    name = "home"
    health_checks = {"database": "home.health.check_database"}

    def ready(self) -> None:
        """Refuse to start without an app that another one needs."""
        for app in apps.get_app_configs():
            for needed, template in getattr(app, "needs", {}).items():
                if not apps.is_installed(needed):
                    raise ImproperlyConfigured(
                        f"{app.name}/ needs {needed}/, which is not here. Add it with"
                        f" `nix flake init -t <slipway>#{template}`, or delete {app.name}/."
                    )
