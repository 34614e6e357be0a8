from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from config import views

handler400 = "config.views.bad_request"

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("favicon.ico", views.favicon),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("language/", set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("", include("contacts.urls")),
    path("", include("redemptions.urls")),
    path("", include("campaigns.urls")),
    path("", include("messaging.urls")),
]
