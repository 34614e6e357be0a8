from django.urls import path, re_path

from messaging.views import click
from messaging.webhooks import twilio
from messaging.webhooks.tracking import tracking

urlpatterns = [
    path("c/<token>", click, name="click"),
    path("webhooks/twilio/inbound/", twilio.twilio_inbound, name="twilio-inbound"),
    path("webhooks/twilio/status/<uuid:message>/", twilio.twilio_status, name="twilio-status"),
    # Its older names; Twilio does not follow a redirect to the slash.
    re_path(r"^(webhooks/)?(twilio/)?sms-optout/?$", lambda request, *args: twilio.twilio_inbound(request)),
    path("webhooks/<slug:provider>/tracking/", tracking, name="tracking"),
]
