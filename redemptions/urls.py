"""Addresses of coupons, their images, the web scanner and its API."""

from django.urls import include, path, re_path

from redemptions import views

urlpatterns = [
    re_path(r"^[rR]/(?P<token>[^/]{1,100})$", views.coupon, name="coupon"),
    path("q/<str:reference>.png", views.qr_image, name="qr_image"),
    path("scan/", views.scanner, name="scanner"),
    path("api/v1/", include("redemptions.api.urls")),
]
