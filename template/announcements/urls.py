from django.urls import path

from .views import AnnouncementsView, ProgressView

app_name = "announcements"
urlpatterns = [
    path("", AnnouncementsView.as_view(), name="index"),
    path("<int:pk>/", ProgressView.as_view(), name="detail"),
]
