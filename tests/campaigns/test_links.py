"""The links in the words: found, tagged for web statistics, stored at launch, and led through ours in what is sent."""

import re
from datetime import UTC, datetime
from html import escape, unescape
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.models import Link
from campaigns.queries import content_of, placeholder_links, preview, variant_of
from campaigns.rendering import (
    Compiled,
    Content,
    ContentError,
    Deal,
    Person,
    Reader,
    Redirects,
    Rendered,
    Shop,
    batches_of,
)
from campaigns.rendering.hrefs import plain_url, with_utm
from campaigns.services import Draft, copy_campaign, launch, save_draft, take_back
from contacts.channels import Channel
from contacts.models import Business, Contact

NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
SHOP = Shop("Bar & Grill", "12 Main Street")
MARIA = Person("Maria", "Kim")
DEAL = Deal("Lunch", "", "", "7K3Q9-9M2XA", "https://deals.example/r/7k3q9", "https://deals.example/q/1.png")
WAY_OUT = "https://deals.example/u/token"
TRAP = "https://deals.example/c/trap"
HREFS = re.compile(r'href="([^"]*)"')


def compiled_of(body: str = "", *, html: str = "", utm: str = "", channel=Channel.EMAIL, has_deal=False) -> Compiled:
    return Compiled(Content(channel, "Hello", "", body, html), has_deal=has_deal, utm=utm)


def redirects_for(compiled: Compiled) -> Redirects:
    return Redirects({url: f"https://deals.example/c/{n}" for n, url in enumerate(compiled.links, 1)}, TRAP)


def rendered(compiled: Compiled, *, person=MARIA, deal=None, redirects=None) -> Rendered:
    return compiled.render(shop=SHOP, person=person, deal=deal, unsubscribe_url=WAY_OUT, redirects=redirects)


def sent(compiled: Compiled, **values) -> Rendered:
    return rendered(compiled, redirects=redirects_for(compiled), **values)


def hrefs(mail: Rendered) -> list[str]:
    return [unescape(href) for href in HREFS.findall(mail.html)]


class TestFinding:
    def test_simple_text_and_own_html_lead_through_ours_in_both_parts(self):
        body = "See https://bar.example/menu.\n\nOr (https://bar.example/map?a=1&b=2)"
        html = '<a href="https://bar.example/menu">Menu</a> <a href="https://bar.example/map?a=1&amp;b=2">Map</a>'

        for compiled in (compiled_of(body), compiled_of(html=html), compiled_of(body, html=html)):
            mail = sent(compiled)

            assert compiled.links == ["https://bar.example/menu", "https://bar.example/map?a=1&b=2"]
            assert hrefs(mail) == ["https://deals.example/c/1", "https://deals.example/c/2", WAY_OUT, TRAP]
            assert "https://deals.example/c/1" in mail.text
            assert "https://deals.example/c/2" in mail.text
            assert "bar.example" not in mail.text

    def test_a_link_that_comes_twice_is_one(self):
        compiled = compiled_of("https://bar.example/a and https://bar.example/b and https://bar.example/a")

        assert compiled.links == ["https://bar.example/a", "https://bar.example/b"]
        assert sent(compiled).text.count("https://deals.example/c/1") == 2

    @pytest.mark.parametrize(
        "html",
        [
            '<a href="mailto:hello@bar.example">x</a>',
            '<a href="tel:+12175550123">x</a>',
            '<a href="#top">x</a>',
            '<a href="{{ coupon_url }}">x</a>',
            '<a href="https://{{ first_name }}.example/">x</a>',
            '<a href="/menu">x</a>',
            '<a title="https://bar.example/">x</a>',
            '<img src="https://bar.example/a.png">',
        ],
    )
    def test_what_is_no_link_to_a_web_site_stays(self, html):
        compiled = compiled_of(html=html, utm="spring", has_deal=True)

        assert compiled.links == []
        assert rendered(compiled, deal=DEAL) == sent(compiled, deal=DEAL)
        assert "utm_" not in rendered(compiled, deal=DEAL).html

    def test_our_own_links_stay(self):
        mail = sent(compiled_of("{{ deal }}\n\n{{ coupon_url }}", has_deal=True), deal=DEAL)

        assert set(hrefs(mail)) == {DEAL.coupon_url, WAY_OUT}

    def test_a_link_with_merge_fields_is_each_persons_own(self):
        body = 'https://bar.example/?n={{ first_name | default: "a b" | url_encode }}&m=1#{{ last_name }}'
        for compiled in (compiled_of(body, utm="x"), compiled_of(html=f"<a href='{body}'>Menu</a>", utm="x")):
            mail = sent(compiled, person=Person("José", "K"))

            assert compiled.links == []
            there = "https://bar.example/?n=Jos%C3%A9&m=1&utm_source=regulars&utm_medium=email&utm_campaign=x#K"
            assert hrefs(mail) == [there, WAY_OUT]
            assert there in mail.text

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ("{% if first_name %}https://bar.example/{% endif %}\nBye", "https://deals.example/c/1\nBye"),
            ("https://bar.example/{% if first_name %}a{% endif %}", "https://bar.example/a"),
            ("https://bar.example/x\n{{- first_name }}", "https://bar.example/xMaria"),
            ("https://bar.example/x {%- if first_name %}a{% endif %}", "https://bar.example/xa"),
            ("{% if first_name %}https://bar.example/{% endif %}menu", "https://bar.example/menu"),
            ("{% if first_name %}https://bar.example/{% else %}x{% endif %}", "https://bar.example/"),
            ("https://bar.example/x.{{ first_name }}", "https://bar.example/x.Maria"),
        ],
    )
    def test_no_word_sticks_to_an_address_of_ours(self, body, text):
        compiled = compiled_of(body)

        assert sent(compiled).text.split("\n\n--")[0].strip() == text

    def test_a_deal_is_no_part_of_a_link(self):
        mail = sent(compiled_of("https://bar.example/x{{ deal }}", has_deal=True), deal=DEAL)

        assert hrefs(mail) == ["https://deals.example/c/1", DEAL.coupon_url, DEAL.coupon_url, WAY_OUT, TRAP]

    def test_links_beyond_the_thirtieth_stay(self):
        compiled = compiled_of("\n".join(f"https://bar.example/{number}" for number in range(1, 33)), utm="x")
        mail = sent(compiled)

        assert len(compiled.links) == 30
        plain = [href for href in hrefs(mail) if "bar.example" in href]
        assert plain == [
            f"https://bar.example/{number}?utm_source=regulars&utm_medium=email&utm_campaign=x" for number in (31, 32)
        ]
        assert plain[0] in mail.text

    def test_a_field_of_the_renderers_own_name_is_refused(self):
        with pytest.raises(ContentError, match=r"link_1.*is not a merge field") as caught:
            compiled_of("https://bar.example/ {{ link_1 }} {{ trap_url }}")
        assert "trap_url" not in str(caught.value)

    def test_marks_in_the_words_are_words(self):
        assert "LQ7QL" in rendered(compiled_of("LQ7QL")).text
        assert "LQ7QL" in rendered(compiled_of(html="<p>LQ7QL</p>")).html


class TestTrap:
    def test_stands_after_the_way_out_where_nobody_sees_it(self):
        html = sent(compiled_of("https://bar.example/")).html

        (trap,) = re.findall(rf'<a [^>]*href="{TRAP}"[^>]*></a>', html)
        assert html.index(WAY_OUT) < html.index(trap)
        for part in ('style="display:none;"', 'aria-hidden="true"', 'tabindex="-1"'):
            assert part in trap
        assert TRAP not in sent(compiled_of("https://bar.example/")).text

    def test_is_left_out_where_no_link_is_counted(self):
        assert TRAP not in sent(compiled_of("Hi")).html


LINKS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
) | st.sampled_from(["a&b", "ä ö", "?x=1#y", "a b", "%41%", "'\"<>", "|\\^`", "&copy=1&amp;", "-1-"])
NAMES = st.sampled_from(["Maria", "", "-1-", "<b>", "\r"])


class TestSameBytes:
    """Preview and sent mail are one, but for the targets of links; alone, by Liquid, and in a batch."""

    WORDS = st.lists(
        st.sampled_from(
            [
                "Hi {{ first_name }} ",
                "https://bar.example/menu ",
                "https://bar.example/b?c=1&d=2#e\n\n",
                "{% if first_name %}https://bar.example/{{ last_name }}{% endif %}",
                "{% if last_name %}https://bar.example/if{% endif %} ",
                "{{- first_name -}}",
                "{{ deal }}",
                "-1-",
            ]
        ),
        max_size=6,
    ).map("".join)
    HTML = st.lists(
        st.sampled_from(
            [
                "<p>Hi {{ first_name }}",
                '<a href="https://bar.example/menu">Menu</a>',
                '{% if last_name %}<a title=">" href=" https://bar.example/b?c=1&d=2#ü ">Map</a>{% endif %}',
                "<a href='https://bar.example/{{ last_name | default: \"x\" }}'>x</a>",
                "https://bar.example/plain {{- deal -}}",
            ]
        ),
        max_size=5,
    ).map("".join)

    @given(WORDS, HTML, NAMES)
    def test_but_for_the_targets(self, body, html, name):
        compiled = compiled_of(body, html=html, has_deal=True)
        redirects, person = redirects_for(compiled), Person(name, "Kim")
        plain, mail = (rendered(compiled, person=person, deal=DEAL, redirects=way) for way in (None, redirects))

        back = {address: url for url, address in redirects.links.items()} | {TRAP: "#"}
        given_back = HREFS.sub(lambda href: f'href="{back.get(href[1], unescape(href[1]))}"', mail.html)
        assert given_back == HREFS.sub(lambda href: f'href="{unescape(href[1])}"', plain.html)
        text = re.sub(r"https://deals\.example/c/\d+", lambda address: back[address[0]], mail.text)
        assert (mail.subject, text) == (plain.subject, plain.text)
        assert mail == compiled.render_by_liquid(SHOP, person, DEAL, WAY_OUT, redirects)
        for batch in batches_of(compiled, shop=SHOP, readers=[Reader(person, DEAL, WAY_OUT, redirects)]):
            parts = {"subject": batch.subject, "text": batch.text, "html": batch.html}
            for mark, value in batch.values[0].items():
                parts = {part: words.replace(mark, value) for part, words in parts.items()}
            assert Rendered(**parts) == mail

    def test_liquid_is_not_asked_for_links(self, monkeypatch):
        compiled = compiled_of("https://bar.example/menu {{ first_name }}")
        monkeypatch.setattr(Compiled, "render_by_liquid", None)

        assert "https://deals.example/c/1" in sent(compiled).text


def place(url: str) -> tuple:
    """Return where a browser goes: percent signs and their letters are one."""
    parts = urlsplit(url)
    return (parts.scheme, parts.netloc, *(unquote_to_bytes(part) for part in parts[2:]))


class TestPlainUrl:
    @given(LINKS)
    def test_is_ascii_leads_to_the_same_place_and_stays_so(self, rest):
        url = f"https://bar.example/{rest}"
        plain = plain_url(url)

        assert plain.isascii()
        assert plain.isprintable()
        assert plain_url(plain) == plain
        clean = re.sub(r"[\t\r\n]", "", url).rstrip("".join(map(chr, range(33))))
        assert place(plain) == place(clean)

    @given(LINKS)
    @example("a&copy=1")
    def test_of_own_html_is_what_the_link_says(self, rest):
        """The link in the mail, read as a browser reads it, is the address that is stored."""
        compiled = compiled_of(html=f'<a href="{escape(f"https://bar.example/{rest}")}">x</a>')

        (url,) = compiled.links
        assert url == plain_url(f"https://bar.example/{rest}")
        assert hrefs(rendered(compiled))[0] == url

    @pytest.mark.parametrize(
        ("url", "plain"),
        [
            ("https://bär.example/ü?ö=ß#é", "https://xn--br-via.example/%C3%BC?%C3%B6=%C3%9F#%C3%A9"),
            ("https://user@bär.example:8080/", "https://user@xn--br-via.example:8080/"),
            ("  HTTPS://Bar.example/a\n b ", "HTTPS://Bar.example/a%20b"),
            ("https://bar.example/a%20b+c|d\\e", "https://bar.example/a%20b+c|d\\e"),
            ('https://bar.example/"<>', "https://bar.example/%22%3C%3E"),
            ("https://\u2026\u2026.example/", "https://%E2%80%A6%E2%80%A6.example/"),
        ],
    )
    def test_examples(self, url, plain):
        assert plain_url(url) == plain


class TestUtm:
    @pytest.mark.parametrize(
        ("url", "tagged"),
        [
            ("https://bar.example/menu", "https://bar.example/menu?{}"),
            ("https://bar.example", "https://bar.example/?{}"),
            ("https://bar.example/?a=1#top", "https://bar.example/?a=1&{}#top"),
            ("https://bar.example/#/a?b", "https://bar.example/?{}#/a?b"),
            (
                "https://bar.example/?utm_source=flyer",
                "https://bar.example/?utm_source=flyer&utm_medium=email&utm_campaign=spring",
            ),
            (
                "https://bar.example/?UTM_Medium=a&utm%5Fsource=b&utm_campaign=",
                "https://bar.example/?UTM_Medium=a&utm%5Fsource=b&utm_campaign=",
            ),
        ],
    )
    def test_examples(self, url, tagged):
        added = "utm_source=regulars&utm_medium=email&utm_campaign=spring"

        assert with_utm(url, medium="email", campaign="spring") == tagged.format(added)

    @given(st.text("ab?&=#/%+;"))
    def test_keeps_what_was_asked_and_says_nothing_twice(self, rest):
        url = f"https://bar.example/{rest}"
        once = with_utm(url, medium="email", campaign="spring")

        def asked(address):
            return parse_qsl(urlsplit(address).query, keep_blank_values=True)

        before = [pair for pair in asked(url) if pair != ("", "")]
        assert [pair for pair in asked(once) if pair != ("", "")][: len(before)] == before
        assert dict(asked(once))["utm_campaign"] == "spring"
        assert urlsplit(once).fragment == urlsplit(url).fragment
        assert with_utm(once, medium="email", campaign="spring") == once

    def test_of_a_text_are_its_own_and_count(self):
        compiled = compiled_of("Menu: https://bar.example/m", utm="spring", channel=Channel.SMS)
        text = compiled.render(shop=SHOP, person=MARIA, deal=None).text

        assert "https://bar.example/m?utm_source=regulars&utm_medium=sms&utm_campaign=spring Reply" in text
        assert compiled.links == []
        with pytest.raises(ContentError, match="too long"):
            compiled_of("x" * 190 + " https://bar.example/m", utm="spring" * 5, channel=Channel.SMS).render(
                shop=SHOP, person=MARIA, deal=None
            )

    @pytest.mark.parametrize("name", ["früh", "a b", "a&b", "spring.", "a\n", "x" * 101, "{{ a }}"])
    def test_a_name_that_fits_into_no_address_is_refused(self, name):
        with pytest.raises(ContentError, match="web statistics") as caught:
            compiled_of("x", utm=name)
        assert caught.value.field == "utm_campaign"


@pytest.mark.django_db
class TestLaunch:
    BODY = "https://bar.example/a\n\nhttps://bar.example/b"

    @pytest.fixture(autouse=True)
    def guest(self):
        Contact.objects.create(email="guest@example.org", email_status="subscribed", sms_status="subscribed")

    def draft(self, **words):
        return save_draft(Draft(**{"name": "x", "channel": Channel.EMAIL, "subject": "Hi", "body": self.BODY, **words}))

    def stored(self) -> list[tuple[int, str]]:
        return list(Link.objects.order_by("position").values_list("position", "url"))

    def test_stores_the_links_as_they_are_sent(self):
        launch(self.draft(utm_campaign="spring"), at=NOON)

        tags = "?utm_source=regulars&utm_medium=email&utm_campaign=spring"
        assert self.stored() == [(1, f"https://bar.example/a{tags}"), (2, f"https://bar.example/b{tags}")]

    def test_leaves_out_links_to_this_site(self, settings):
        launch(self.draft(body=f"{settings.PUBLIC_BASE_URL}/join/us {self.BODY}"), at=NOON)

        assert self.stored() == [(2, "https://bar.example/a"), (3, "https://bar.example/b")]

    def test_a_text_has_none(self):
        launch(self.draft(channel=Channel.SMS, subject=""), at=NOON)

        assert self.stored() == []

    def test_taking_it_back_removes_them_and_a_second_launch_stores_them_anew(self):
        campaign = take_back(launch(self.draft(), at=NOON))
        assert self.stored() == []

        save_draft(Draft("x", Channel.EMAIL, "Hi", body="https://bar.example/c"), campaign=campaign)
        launch(campaign, at=NOON)

        assert self.stored() == [(1, "https://bar.example/c")]

    def test_a_copy_keeps_the_name_for_statistics_and_has_no_links_yet(self):
        campaign = launch(self.draft(utm_campaign="spring"), at=NOON)

        assert copy_campaign(campaign).utm_campaign == "spring"
        assert Link.objects.exclude(variant__campaign=campaign).count() == 0

    def test_the_preview_shows_the_links_with_their_tags(self):
        campaign = self.draft(utm_campaign="spring")

        mail = preview(campaign, content_of(campaign, variant_of(campaign)), Business.load(), qr_src="")

        assert "https://bar.example/a?utm_source=regulars&utm_medium=email&utm_campaign=spring" in mail.text
        assert "/c/" not in mail.html


class TestPlaceholders:
    @pytest.mark.parametrize(
        "link",
        [
            "",
            "#",
            "http://",
            "https://",
            "https://example.com/menu",
            "http://www.example.org",
            "https://example.net?a",
            "http://localhost:8000/",
            "https://127.0.0.1/",
            "https://www.yoursite.com/",
            "your-link-here",
            "https://YOUR-DOMAIN.com/x",
            "https://bar.example/TODO",
            "/menu",
            "bar.example/menu",
            "//bar.example/menu",
            "{{ first_name }}",
        ],
    )
    def test_are_found_in_own_html(self, link):
        found = placeholder_links(Content(Channel.EMAIL, html=f"<p><a class='a' href='{link}'>x</a></p>"))

        assert found == [link or 'href=""']

    @pytest.mark.parametrize(
        "link",
        [
            "https://bar.example/",
            "https://example.community/",
            "https://notexample.com/",
            "https://bar.example/?from=example.com",
            "https://bar.example/plan-your-site-visit",
            "https://bar.example/todo-incluido",
            "#menu",
            "mailto:hello@bar.example",
            "{{ coupon_url }}",
            "https://bar.example/?n={{ first_name }}",
            "TEL:+12175550123",
        ],
    )
    def test_real_ones_are_not(self, link):
        assert placeholder_links(Content(Channel.EMAIL, html=f'<a href="{link}">x</a>', body=link)) == []

    def test_are_found_in_text_each_once(self):
        body = "See https://example.com/a and http://\n\nhttps://example.com/a"

        assert placeholder_links(Content(Channel.SMS, body=body)) == ["https://example.com/a", "http://"]

    def test_a_comment_is_no_link(self):
        assert placeholder_links(Content(Channel.EMAIL, html='<!-- <a href="#">x</a> -->')) == []
