from django.urls import path, re_path

from messaging.webhooks import twilio

urlpatterns = [
    path("webhooks/twilio/inbound/", twilio.twilio_inbound, name="twilio-inbound"),
    # Its older names; Twilio does not follow a redirect to the slash.
    re_path(r"^(webhooks/)?(twilio/)?sms-optout/?$", lambda request, *args: twilio.twilio_inbound(request)),
]
