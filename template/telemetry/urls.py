from django.urls import path

from . import views

app_name = "telemetry"
urlpatterns = [
    path("", views.newest, name="list"),
    path("<str:trace>/", views.story, name="story"),
]
