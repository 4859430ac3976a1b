from django.urls import path

from . import views

app_name = "approvals"
urlpatterns = [
    path("", views.requests, name="list"),
    path("<int:request_id>/", views.detail, name="detail"),
]
