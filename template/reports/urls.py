from django.urls import path

from .views import OrderView, ReportView

app_name = "reports"
urlpatterns = [
    path("", OrderView.as_view(), name="index"),
    path("<str:token>/", ReportView.as_view(), name="detail"),
]
