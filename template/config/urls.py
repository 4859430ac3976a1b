"""The project's URLs. An app whose config has a ``url_prefix`` is mounted below it."""

from django.apps import apps
from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

admin.site.site_header = admin.site.site_title = settings.PROJECT_NAME

urlpatterns = [
    path("", include("home.urls")),
    path("accounts/", include("accounts.urls")),
    path("admin/", admin.site.urls),
    *[
        path(f"{app.url_prefix}/", include(f"{app.name}.urls"))
        for app in apps.get_app_configs()
        if hasattr(app, "url_prefix")
    ],
    # In development only. In production another server hands out what users have uploaded.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
