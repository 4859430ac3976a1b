from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import views

app_name = "accounts"
urlpatterns = [
    path("signup/", views.SignUpView.as_view(), name="signup"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path(
        "login/",
        LoginView.as_view(
            template_name="accounts/form.html",
            extra_context={"title": "Log in", "button": "Log in"},
            redirect_authenticated_user=True,
        ),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.ResetView.as_view(), name="reset"),
    path("password/<uidb64>/<token>/", views.NewPasswordView.as_view(), name="new-password"),
]
