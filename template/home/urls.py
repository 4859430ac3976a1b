from django.urls import path

from . import views

urlpatterns = [
    path("", views.start, name="home"),
    path("processes/", views.processes, name="processes"),
    path("processes/<str:name>/restart/", views.restart, name="restart"),
    path("mails/", views.mails, name="mails"),
    path("health/", views.health, name="health"),
    # Without a backend the site works, without its database it does not.
    path("health/ready/", views.health, {"only": ["database"]}),
    path("health/live/", views.health, {"only": []}),
]
