"""Addresses of the pictures in mails, and of the colours of the pages guests open."""

from django.urls import re_path

from campaigns import views

urlpatterns = [
    re_path(r"^look/(?P<digits>[0-9a-f]{6})\.css$", views.page_style, name="page_style"),
    re_path(r"^i/(?P<reference>[A-Za-z0-9_-]{22})\.(?P<kind>jpg|png)$", views.picture, name="campaign_picture"),
]
