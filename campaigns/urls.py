"""Addresses of the pictures in mails."""

from django.urls import re_path

from campaigns import views

urlpatterns = [
    re_path(r"^i/(?P<reference>[A-Za-z0-9_-]{22})\.(?P<kind>jpg|png)$", views.picture, name="campaign_picture"),
]
