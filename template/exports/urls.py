from django.urls import path

from . import views

app_name = "exports"
urlpatterns = [
    path("", views.exports, name="list"),
    path("<uuid:export_id>/cancel/", views.cancel, name="cancel"),
    path("<uuid:export_id>/download/", views.download, name="download"),
]
