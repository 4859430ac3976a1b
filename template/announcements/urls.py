from django.urls import path

from .views import AnnouncementsView, ProgressView, StopView

app_name = "announcements"
urlpatterns = [
    path("", AnnouncementsView.as_view(), name="index"),
    path("<int:pk>/", ProgressView.as_view(), name="detail"),
    path("<int:pk>/stop/", StopView.as_view(), name="stop"),
]
