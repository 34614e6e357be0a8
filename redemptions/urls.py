"""Addresses of coupons, their images, the web scanner and its API."""

from django.urls import include, path, re_path

from redemptions import views

urlpatterns = [
    re_path(r"^[rR]/(?P<token>[^/]{1,100})$", views.coupon, name="coupon"),
    re_path(r"^[rR]/(?P<token>[^/]{1,100})/calendar\.ics$", views.coupon_calendar, name="coupon_calendar"),
    re_path(r"^[rR]/(?P<token>[^/]{1,100})/coupon\.pkpass$", views.coupon_wallet, name="coupon_wallet"),
    path("q/<str:reference>.png", views.qr_image, name="qr_image"),
    path("scan/", views.scanner, name="scanner"),
    path("scan/worker.js", views.scanner_worker, name="scanner_worker"),
    path("scan/manifest.webmanifest", views.scanner_manifest, name="scanner_manifest"),
    path("api/v1/", include("redemptions.api.urls")),
]
