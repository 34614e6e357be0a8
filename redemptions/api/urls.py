"""Addresses of the scanner API, under /api/v1/. The last pattern takes every other, so that no answer is a page."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView

from redemptions.api import views

urlpatterns = [
    path("devices/enrol", views.EnrolView.as_view()),
    path("device", views.DeviceView.as_view()),
    path("validations", views.ValidationsView.as_view()),
    path("redemptions", views.RedemptionsView.as_view()),
    path("redemptions/by-key/<str:key>", views.RedemptionByKeyView.as_view()),
    path("redemptions/<str:public_id>", views.RedemptionView.as_view()),
    path("stats/today", views.TodayView.as_view()),
    re_path(r"^schema/?$", SpectacularAPIView.as_view(authentication_classes=[])),
    re_path(r"", views.UnknownAddressView.as_view()),
]
