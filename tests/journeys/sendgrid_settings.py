"""The settings of the tests, with a SendGrid of our own at the address in JOURNEY_API_URL."""

import os

from tests.settings import *  # noqa: F403

EMAIL_PROVIDER = "sendgrid"
ANYMAIL = {"SENDGRID_API_KEY": "SG.test", "SENDGRID_API_URL": os.environ["JOURNEY_API_URL"]}
