from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string


class HomeConfig(AppConfig):
    """Shows what each app declares in its config (README.md, "Your own"), and knows none."""

    name = "home"
    health_checks = {"database": "home.health.check_database"}

    def ready(self) -> None:
        """Refuse to start with a declaration that cannot be true."""
        kinds: dict[str, str] = {}
        for app in apps.get_app_configs():
            for needed, template in getattr(app, "needs", {}).items():
                if not apps.is_installed(needed):
                    raise ImproperlyConfigured(
                        f"{app.name}/ needs {needed}/, which is not here. Add it with"
                        f" `nix flake init -t <slipway>#{template}`, or delete {app.name}/."
                    )
            for attribute in ("health_checks", "work", "emails", "bulk_emails"):
                for name, path in getattr(app, attribute, {}).items():
                    where = f"{app.name}/apps.py: {attribute}, {name}"
                    try:
                        import_string(path)
                    except ImportError as error:
                        raise ImproperlyConfigured(f"{where}: {error}.") from error
                    if (
                        attribute.endswith("emails")
                        and kinds.setdefault(name, app.name) != app.name
                    ):
                        raise ImproperlyConfigured(f"{where}: {kinds[name]}/ declares it, too.")
