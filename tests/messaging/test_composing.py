"""From a row to a message, alone and with many others in one request."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.models import Campaign, Variant
from campaigns.queries import person_of
from campaigns.rendering import Compiled, ContentError, Person
from contacts.channels import Channel, deliverable
from contacts.models import Business, Contact
from messaging.models import Message
from messaging.services.composing import Composer
from messaging.transports.email import QR_CID
from redemptions import links, qr
from redemptions.codes import CROCKFORD, new_token, new_typed_code
from redemptions.models import Code, Offer

NAMES = st.sampled_from(["Maria", "", "José", "<b>", "-1-", "x-1", "1-", "{{ code }}", "\r\n", "王😀"]) | st.text(
    max_size=6
)
BODY = """Hi {{ first_name | default: "there" }}{% if last_name %} {{ last_name }}{% endif %},

{{ deal }}

Your code is {{ code }}, see {{ coupon_url }}. {{ business_name }}
"""


def campaign_of(*, offer: Offer | None, channel: Channel = Channel.EMAIL) -> Campaign:
    return Campaign(pk=1, channel=channel, name="Lunch", offer=offer)


def variant_of(campaign: Campaign, **words: str) -> Variant:
    words = {"subject": "{{ first_name }}, lunch", "preheader": "For {{ full_name }}", "body": BODY} | words
    return Variant(pk=2, campaign=campaign, **words)


@pytest.fixture
def business() -> Business:
    return Business(
        name="Bar & Grill",
        postal_address="12 Main Street",
        timezone="America/Chicago",
        from_email="hello@bär.example",
        from_name="The Bar",
        reply_to="answers@bar.example",
    )


@pytest.fixture
def offer() -> Offer:
    ends_at = datetime(2026, 12, 1, 18, tzinfo=UTC)
    return Offer(pk=1, name="20 % <off>", type="percent", value=Decimal(20), terms="Once\r\neach", ends_at=ends_at)


def code_of(offer: Offer, token: str = "") -> Code:
    return Code(offer=offer, token=token or new_token(), typed=new_typed_code())


def row(person: Person, code: Code | None, number: int = 7, email: str = "guest@example.org") -> Message:
    contact = Contact(email=email, first_name=person.first_name or None, last_name=person.last_name or None)
    contact.email_index = number.to_bytes(32, "big")
    return Message(pk=number, contact=contact, code=code, reference=uuid.uuid4())


def compose(composer, campaign, variant, message):
    return composer.compose(
        campaign=campaign,
        variant=variant,
        person=person_of(message.contact),
        to=deliverable(message.contact.email),
        address_index=message.contact.email_index,
        code=message.code,
        reference=message.reference,
        message_id=message.pk,
    )


@pytest.mark.django_db
class TestCompose:
    @pytest.mark.parametrize("where", ["hosted", "inline"])
    def test_shows_the_image_where_the_settings_say(self, business, offer, settings, where):
        settings.QR_IMAGES = where
        campaign, one = campaign_of(offer=offer), row(Person("Maria"), code_of(offer))

        mail = compose(Composer(business), campaign, variant_of(campaign), one)

        assert (f"cid:{QR_CID}" in mail.html) == (where == "inline")
        assert (links.qr_image_url(one.code.image_reference) in mail.html) == (where == "hosted")
        assert mail.qr_png == (qr.png(links.qr_payload(one.code.token)) if where == "inline" else None)

    def test_fills_the_envelope(self, business, offer):
        campaign, one = campaign_of(offer=offer), row(Person("Maria"), code_of(offer))

        mail = compose(Composer(business), campaign, variant_of(campaign), one)

        assert (mail.to, mail.reference) == ("guest@example.org", str(one.reference))
        assert mail.from_email == "The Bar <hello@xn--br-via.example>"
        assert mail.reply_to == "answers@bar.example"
        assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail.headers["List-Unsubscribe"].strip("<>") in mail.html

    def test_one_composer_gives_each_person_their_own(self, business, offer):
        campaign, composer = campaign_of(offer=offer), Composer(business)
        rows = [row(Person(name), code_of(offer), number) for number, name in enumerate(["Ann", "Bob", ""])]

        mails = [compose(composer, campaign, variant_of(campaign), one) for one in rows]

        for mail, one in zip(mails, rows, strict=True):
            for other in rows:
                assert (other.code.typed_display in mail.text) == (other is one)
                assert (other.code.token.lower() in mail.html) == (other is one)

    def test_a_deal_that_changes_meanwhile_is_told_as_it_is(self, business, offer):
        campaign, composer = campaign_of(offer=offer), Composer(business)
        one = row(Person("Maria"), code_of(offer))
        before = compose(composer, campaign, variant_of(campaign), one)

        offer.ends_at = datetime(2026, 12, 8, 18, tzinfo=UTC)
        after = compose(composer, campaign, variant_of(campaign), one)

        assert "December 1, 2026" in before.text
        assert "December 8, 2026" in after.text
        assert "December 1, 2026" not in after.text

    def test_two_variants_are_two_mails(self, business):
        campaign, composer = campaign_of(offer=None), Composer(business)
        one = row(Person("Maria"), None)
        other = Variant(pk=3, campaign=campaign, subject="B", body="Words of B")

        assert "Words of A" in compose(composer, campaign, variant_of(campaign, body="Words of A"), one).text
        assert "Words of B" in compose(composer, campaign, other, one).text

    def test_words_are_parsed_once_and_the_image_takes_the_short_way(self, business, offer, settings, monkeypatch):
        settings.QR_IMAGES = "inline"
        campaign, composer = campaign_of(offer=offer), Composer(business)
        variant = variant_of(campaign)
        compose(composer, campaign, variant, row(Person("Ann"), code_of(offer)))

        monkeypatch.setattr(Compiled, "__init__", None)
        monkeypatch.setattr(Compiled, "render_by_liquid", None)
        monkeypatch.setattr(qr, "_symbol", None)

        assert compose(composer, campaign, variant, row(Person("Bob"), code_of(offer))).qr_png

    def test_a_text_has_no_image(self, business, offer):
        campaign = campaign_of(offer=offer, channel=Channel.SMS)
        code = code_of(offer)

        text = compose(Composer(business), campaign, variant_of(campaign, body="Lunch"), row(Person("Ann"), code))

        assert text.text == f"Bar & Grill: Lunch {links.coupon_url(code.token)} Reply STOP to opt out"

    def test_a_missing_code_is_an_error_in_words(self, business, offer):
        campaign = campaign_of(offer=offer)

        with pytest.raises(ContentError):
            compose(Composer(business), campaign, variant_of(campaign), row(Person("Ann"), None))


def filled(merged, recipient, marks):
    """Do what a provider does, one mark after the other."""
    parts = [merged.subject, merged.text, merged.html]
    for mark in marks:
        parts = [part.replace(mark, recipient.values[mark]) for part in parts]
    return tuple(parts)


@pytest.mark.django_db
class TestBatch:
    def assert_same(self, composer, campaign, variant, rows):
        by_reference = {str(one.reference): one for one in rows}
        batch = composer.compose_batch(campaign, variant, rows)
        for merged in batch:
            for recipient in merged.recipients:
                one = compose(composer, campaign, variant, by_reference.pop(recipient.reference))
                for marks in (list(recipient.values), list(reversed(recipient.values))):
                    assert filled(merged, recipient, marks) == (one.subject, one.text, one.html)
                assert (merged.from_email, merged.reply_to) == (one.from_email, one.reply_to)
                assert (recipient.to, recipient.headers) == (one.to, one.headers)
        return batch

    @pytest.mark.parametrize("where", ["hosted", "inline"])
    def test_everybody_gets_in_one_request_what_they_would_get_alone(self, business, offer, settings, where):
        settings.QR_IMAGES = where
        campaign, composer = campaign_of(offer=offer), Composer(business)
        names = ["Maria", "José", "<b>O'Neil</b>", "-1-", "Bob-2"]
        rows = [row(Person(name, "Kim"), code_of(offer), number) for number, name in enumerate(names)]

        (merged,) = composer.compose_batch(campaign, variant_of(campaign), rows)
        settings.QR_IMAGES = "hosted"

        assert [recipient.reference for recipient in merged.recipients] == [str(one.reference) for one in rows]
        assert self.assert_same(composer, campaign, variant_of(campaign), rows) == [merged]
        assert "cid:" not in merged.html

    def test_the_mail_itself_tells_nothing_about_anybody(self, business, offer):
        campaign, code = campaign_of(offer=offer), code_of(offer)

        (merged,) = Composer(business).compose_batch(
            campaign, variant_of(campaign), [row(Person("Maria", "Kim"), code)]
        )

        for secret in ("Maria", "Kim", code.token.lower(), code.typed_display, code.image_reference, "/u/"):
            assert secret not in merged.subject + merged.text + merged.html

    def test_thousands_of_links_spoil_no_mark(self, business, offer, settings):
        """One link in three hundred has, say, a `-3-` of its own."""
        settings.QR_IMAGES = "hosted"
        campaign, composer = campaign_of(offer=offer), Composer(business)
        rows = [row(Person("Maria"), code_of(offer), number) for number in range(1000)]

        batch = self.assert_same(composer, campaign, variant_of(campaign, body="{{ deal }}"), rows)

        assert sum(len(merged.recipients) for merged in batch) == 1000

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        people=st.lists(
            st.tuples(st.builds(Person, NAMES, NAMES), st.text(CROCKFORD, min_size=26, max_size=26)), max_size=3
        ),
        body=st.sampled_from(["", "Hi", BODY, "{{ deal }}", "{{ first_name }} ", "-1", "-2-{{ last_name }}1-"]),
        subject=st.sampled_from(["", "{{ first_name }}", " {{ deal }} -", "{{ code }}-1-"]),
    )
    def test_any_words_and_any_names(self, business, offer, settings, people, body, subject):
        settings.QR_IMAGES = "hosted"
        campaign = campaign_of(offer=offer)
        rows = [row(person, code_of(offer, token), number) for number, (person, token) in enumerate(people)]

        self.assert_same(Composer(business), campaign, variant_of(campaign, body=body, subject=subject), rows)

    def test_whoever_cannot_be_merged_is_left_out(self, business, offer):
        campaign = campaign_of(offer=offer)
        whole, without_code = row(Person("Ann"), code_of(offer)), row(Person("Bob"), None)
        erased, nowhere = Message(pk=8), row(Person("Cid"), code_of(offer), email="cid@nowhere")
        rows = [without_code, erased, whole, nowhere]

        (merged,) = Composer(business).compose_batch(campaign, variant_of(campaign), rows)

        assert [recipient.reference for recipient in merged.recipients] == [str(whole.reference)]
