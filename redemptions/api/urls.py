"""Addresses of the scanner API, under /api/v1/. The last pattern takes every other, so that no answer is a page."""

from django.urls import path, re_path
from django.utils.translation import override
from drf_spectacular.views import SpectacularAPIView

from redemptions.api import correcting, devices, home, offline, redeeming

urlpatterns = [
    path("devices/enrol", devices.EnrolView.as_view()),
    path("device", devices.DeviceView.as_view()),
    path("device/rotate", devices.RotateView.as_view()),
    path("staff/sign-in", devices.SignInView.as_view()),
    path("validations", redeeming.ValidationsView.as_view()),
    path("redemptions", redeeming.RedemptionsView.as_view()),
    path("redemptions/batch", offline.BatchView.as_view()),
    path("redemptions/by-key/<str:key>", redeeming.RedemptionByKeyView.as_view()),
    path("redemptions/<str:public_id>", correcting.RedemptionView.as_view()),
    path("redemptions/<str:public_id>/void", correcting.VoidView.as_view()),
    path("offline-pack", offline.OfflinePackView.as_view()),
    path("stats/today", home.TodayView.as_view()),
    # A document for programmers, and one for all.
    re_path(r"^schema/?$", override("en")(SpectacularAPIView.as_view(authentication_classes=[]))),
    re_path(r"", home.UnknownAddressView.as_view()),
]
