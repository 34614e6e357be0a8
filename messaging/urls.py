from django.urls import path, re_path

from messaging import webhooks

urlpatterns = [
    path("webhooks/twilio/inbound/", webhooks.twilio_inbound, name="twilio-inbound"),
    # Its older names; Twilio does not follow a redirect to the slash.
    re_path(r"^(webhooks/)?(twilio/)?sms-optout/?$", lambda request, *args: webhooks.twilio_inbound(request)),
]
