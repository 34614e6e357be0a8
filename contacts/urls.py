from django.urls import path, re_path

from contacts.views import joining, preferences

urlpatterns = [
    path("u/<token>", preferences.preferences, name="preferences"),
    path("u/<token>/undo", preferences.undo, name="preferences-undo"),
    path("u/<token>/fewer", preferences.fewer, name="preferences-fewer"),
    path("u/<token>/every", preferences.every, name="preferences-every"),
    path("u/<token>/other", preferences.stop_other, name="preferences-other"),
    path("u/<token>/other/undo", preferences.undo_other, name="preferences-other-undo"),
    path("join/confirm/<token>", joining.confirm, name="join-confirm"),
    re_path(r"^join/(?P<slug>[-\w]+)/?$", joining.join, name="join"),
    path("join/<slug:slug>/asked", joining.asked, name="join-asked"),
]
