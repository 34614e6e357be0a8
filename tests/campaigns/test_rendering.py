"""The words: merge fields, escaping, footer, deal, SMS."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.rendering import (
    Batch,
    Compiled,
    Content,
    ContentError,
    Deal,
    Person,
    Reader,
    Rendered,
    Shop,
    batches_of,
    clean_html,
)
from contacts.channels import Channel

SHOP = Shop("Bar & Grill", "12 Main Street, Springfield, IL 62701")
MARIA = Person("Maria", "Kim")
DEAL = Deal(
    name="20 % off <lunch>",
    terms="One per table",
    ends="December 1, 2026, 6:00 PM",
    code="7K3Q9-9M2XA",
    coupon_url="https://deals.example.com/r/7k3q9m2xw5vb8ntcrd4hj6ypfa",
    qr_src="cid:coupon-qr@inline",
)
WAY_OUT = "https://deals.example.com/u/token"


def email(body: str = "Hi {{ first_name }}", *, deal: Deal | None = None, person: Person = MARIA, **words) -> Rendered:
    content = Content(Channel.EMAIL, words.pop("subject", "Hello"), words.pop("preheader", ""), body, **words)
    compiled = Compiled(content, has_deal=deal is not None)
    return compiled.render(shop=SHOP, person=person, deal=deal, unsubscribe_url=WAY_OUT)


def sms(body: str, *, deal: Deal | None = None, person: Person = MARIA, shop: Shop = SHOP) -> str:
    compiled = Compiled(Content(Channel.SMS, body=body), has_deal=deal is not None)
    return compiled.render(shop=shop, person=person, deal=deal).text


class TestMergeFields:
    def test_fills_subject_text_and_html(self):
        mail = email("Hi {{ first_name }} {{ last_name }} of {{ business_name }}", subject="For {{ full_name }}")

        assert mail.subject == "For Maria Kim"
        assert "Hi Maria Kim of Bar & Grill" in mail.text
        assert "Hi Maria Kim of Bar &amp; Grill" in mail.html

    @pytest.mark.parametrize(
        ("typed", "says"),
        [
            ("{{ first_name | default: \u2018there\u2019 }}", "there"),
            ("{{ first_name | default: \u201cit\u2019s you\u201d }}", "it's you"),
            ("{{\xa0first_name\xa0| default: 'there' }}", "there"),
            ("{{ first_name | default: 'it\u2019s you' }}", "it\u2019s you"),
        ],
    )
    def test_reads_what_word_processors_make_of_a_field(self, typed, says):
        mail = email(f"\u201cHi\u201d {typed}!", person=Person())

        assert f"\u201cHi\u201d {says}!" in mail.text

    def test_default_stands_in_for_what_is_not_known(self):
        assert "Hi there" in email('Hi {{ first_name | default: "there" }}', person=Person()).text

    def test_conditions_work(self):
        body = "{% if first_name %}Dear {{ first_name }}{% else %}Dear guest{% endif %}"

        assert "Dear Maria" in email(body).text
        assert "Dear guest" in email(body, person=Person()).text

    def test_values_are_escaped_in_html_only(self):
        mail = email("Hi {{ first_name }}", person=Person('<b>"Bob"</b>'))

        assert "&lt;b&gt;" in mail.html
        assert "<b>" not in mail.html
        assert '<b>"Bob"</b>' in mail.text

    def test_values_are_not_parsed_again(self):
        assert "Hi {{ last_name }}" in email("Hi {{ first_name }}", person=Person("{{ last_name }}", "Kim")).text

    @pytest.mark.parametrize(
        ("field", "words", "says"),
        [
            ("body", {"body": "{{ frist_name }}"}, "frist_name.*is not a merge field.*first_name"),
            ("subject", {"body": "x", "subject": "{{ nickname }}"}, "nickname.*is not a merge field"),
            ("preheader", {"body": "x", "preheader": "{{ nickname }}"}, "nickname"),
            ("html", {"body": "x", "html": "<p>{{ nickname }}</p>"}, "nickname"),
            ("body", {"body": "{{ first_name"}, "not written right"),
            ("body", {"body": "{% if first_name %}x"}, "not written right"),
            ("body", {"body": "{% for x in first_name %}x{% endfor %}"}, "not written right"),
            ("body", {"body": "{% assign x = 1 %}"}, "not written right"),
            ("body", {"body": "{% include 'x' %}"}, "not written right"),
            ("body", {"body": "{{ first_name | base64_encode }}"}, "base64_encode.*is not a filter"),
            ("body", {"body": "{{ first_name.__class__ }}"}, "is not a merge field"),
            ("body", {"body": "{{ first_name[last_name] }}"}, "is not a merge field"),
            ("body", {"body": "{{ code }}"}, "needs a deal"),
        ],
    )
    def test_a_wrong_field_is_an_error_that_names_it(self, field, words, says):
        with pytest.raises(ContentError, match=says) as caught:
            email(**words)
        assert caught.value.field == field

    @given(st.text(max_size=200))
    def test_any_text_is_either_sent_or_refused_in_words(self, body):
        try:
            mail = email(body)
        except ContentError:
            return
        assert WAY_OUT in mail.text


class TestSubject:
    def test_a_line_break_cannot_smuggle_a_header(self):
        assert email("x", subject="Hi {{ first_name }}", person=Person("A\r\nBcc: b@x.example")).subject == (
            "Hi A Bcc: b@x.example"
        )


class TestFooter:
    WAYS_TO_HIDE = [
        "plain words",
        "<!-- never closed",
        '<div style="display:none">',
        '<div style="position:fixed;top:0;height:9999px">',
        "<style>footer, a { display: none }</style>",
        "<script>document.body.remove()</script>",
        "<table><tr><td>",
        "<textarea>",
        "<template>",
        "<plaintext>",
        "</body></html>",
        '<a href="',
    ]

    @pytest.mark.parametrize("html", WAYS_TO_HIDE)
    def test_own_html_cannot_take_it_away(self, html):
        mail = email("text", html=html)

        visible = re.sub(r"<!--.*?(-->|$)", "", mail.html, flags=re.S)
        assert "12 Main Street, Springfield" in visible
        assert f'<a href="{WAY_OUT}"' in visible
        assert "display:none" not in mail.html.split("<table", 1)[1]
        assert "position" not in mail.html

    @pytest.mark.parametrize(
        "body", ["{% if first_name %}a{% endif %}", "{% comment %}x{% endcomment %}", "{{ first_name }}"]
    )
    def test_simple_text_cannot_take_it_away(self, body):
        mail = email(body)

        assert "12 Main Street" in mail.html
        assert f"Unsubscribe: {WAY_OUT}" in mail.text
        assert "Bar & Grill, 12 Main Street" in mail.text

    def test_own_html_keeps_its_merge_fields_and_looks(self):
        mail = email("t", html='<p style="color:red">Hi {{ first_name | default: "there" }}</p>', person=Person())

        assert '<p style="color:red">Hi there</p>' in mail.html

    def test_own_html_gets_a_text_part(self):
        mail = email("", html='<h1>New menu</h1><p>See <a href="https://bar.example/menu">the menu</a></p>')

        assert "New menu" in mail.text
        assert "https://bar.example/menu" in mail.text

    @pytest.mark.parametrize(
        "hostile",
        [
            '<a href="javascript:alert(1)">x</a>',
            '<img src="x" onerror="alert(1)">',
            "<form action=/x>",
            "<base href=//x>",
        ],
    )
    def test_own_html_is_made_harmless(self, hostile):
        cleaned = clean_html(hostile)

        assert not re.search(r"javascript:|onerror|<form|<base", cleaned)


class TestText:
    def test_paragraphs_breaks_and_links(self):
        mail = email("One\ntwo\n\nSee https://bar.example/menu?a=1&b=2.")

        assert "<p>One<br>\ntwo</p>" in mail.html
        assert '<a href="https://bar.example/menu?a=1&amp;b=2"' in mail.html

    def test_preheader_comes_first_and_is_hidden(self):
        mail = email("x", preheader="For {{ first_name }}")

        assert mail.html.index("For Maria") < mail.html.index("<table")


class TestDeal:
    def test_stands_below_the_text_where_no_field_places_it(self):
        mail = email("Hi", deal=DEAL)

        assert mail.html.index("Hi") < mail.html.index("7K3Q9-9M2XA") < mail.html.index("Unsubscribe")
        assert "7K3Q9-9M2XA" in mail.text
        assert DEAL.coupon_url in mail.text

    def test_stands_once_where_a_field_places_it(self):
        mail = email("Before\n\n{{ deal }}\n\nAfter", deal=DEAL)

        assert mail.html.index("Before") < mail.html.index("cid:coupon-qr") < mail.html.index("After")
        assert mail.html.count("cid:coupon-qr") == 1
        assert mail.text.count("7K3Q9-9M2XA") == 1

    def test_has_image_alt_code_and_link_and_escapes_its_name(self):
        mail = email("Hi", deal=DEAL)

        assert 'alt="Coupon code 7K3Q9-9M2XA"' in mail.html
        assert f'href="{DEAL.coupon_url}"' in mail.html
        assert "20 % off &lt;lunch&gt;" in mail.html
        assert "data:" not in mail.html


class TestSms:
    def test_begins_with_the_business_and_ends_with_the_way_out(self):
        assert sms("Two for one, {{ first_name }}!") == "Bar & Grill: Two for one, Maria! Reply STOP to opt out"

    def test_carries_the_link_of_the_deal_once(self):
        assert sms("Two for one", deal=DEAL).count(DEAL.coupon_url) == 1
        assert sms("Go to {{ coupon_url }} now", deal=DEAL).count(DEAL.coupon_url) == 1

    def test_folds_smart_punctuation(self):
        assert 'It\'s "on" - now...' in sms("It’s “on” — now…")

    def test_refuses_more_than_two_parts_and_says_how_long_it_is(self):
        with pytest.raises(ContentError, match=r"too long.*\d+ characters \(GSM-7\), which is 3 parts"):
            sms("x" * 300)

    def test_the_length_is_that_after_merging(self):
        body = "Hi {{ first_name }}, " + "x" * 230

        assert sms(body)
        with pytest.raises(ContentError, match="too long"):
            sms(body, person=Person("M" * 40))

    def test_one_letter_that_would_cost_the_text_gives_way(self):
        body = "Hi {{ first_name }}, " + "x" * 120

        assert "María" in sms("Hi {{ first_name }}", person=Person("María"))
        assert "Maria" in sms(body, person=Person("María"))

    def test_one_name_can_make_a_text_too_long(self):
        body = "Hi {{ first_name }}, " + "x" * 120

        assert sms(body)
        with pytest.raises(ContentError, match=r"UCS-2.*take out 王") as caught:
            sms(body, person=Person("王"))
        assert caught.value.is_too_long

    def test_control_characters_are_taken_out(self):
        assert "\u202e" not in sms("Hi {{ first_name }}", person=Person("a\u202eb"))


class TestNesting:
    def test_the_deal_stands_in_no_paragraph(self):
        assert "<p><table" not in email("Before\n\n{{ deal }}\n\nAfter", deal=DEAL).html


# --- The same bytes as Liquid -----------------------------------------------------------------------------------------

MERGED = [
    "{{ first_name }}",
    "{{ last_name }}",
    "{{- full_name -}}",
    "{{ first_name | default: 'there' }}",
    '{{ last_name | upcase | truncate: 4, "<&" }}',
    "{{ full_name | url_encode }}{{ full_name | escape }}",
    "{{ business_name }}",
    "{{ business_name | downcase | strip }}",
    "{{ 'just so' }}",
    "{% if first_name %}Dear {{ first_name }},{% else %}  \r\n {% endif %}",
    "{% unless last_name %}\n{% endunless %}",
    "{% if business_name == 'Bar' %}\r{% endif %}",
    "{% case first_name %}{% when 'Maria' %}Ciao{% else %}Hi{% endcase %}",
    "{%- comment -%} nothing {%- endcomment -%}",
    "{% # nothing %}",
]
OF_THE_DEAL = [
    "{{ deal }}",
    "\n\n{{ deal }}\n\n",
    "{{- deal -}}",
    "{{ deal | upcase }}",
    "{% if deal %}{{ deal_name }}{% endif %}",
    "{{ deal_name }}",
    "{{ deal_ends | default: 'no end' }}",
    "{{ code }}",
    "{{ code | downcase }}",
    "{{ coupon_url }}",
]
WILD = st.text("ab<&>\"'\n \t\u00a0\u200b\u2028\x1cé王😀-123{}%", max_size=8)
BREAKS = st.sampled_from(["a\r\nb", "\r", "\r\n\r\n"])  # what browsers send; Liquid makes them one character
LITERAL = WILD.filter(lambda text: "{" not in text) | BREAKS | st.sampled_from(["", "\n\n", "https://a.example/?a&b"])
PEOPLE = st.builds(Person, WILD | WILD | BREAKS | st.sampled_from(["Maria", "-1-"]), WILD)
SHOPS = st.builds(Shop, WILD | st.just("Bar"), WILD | BREAKS)


def sources(*merged):
    return st.lists(LITERAL | st.sampled_from(merged), max_size=6).map("".join)


def deals(personal=WILD):
    return st.builds(Deal, WILD, WILD | BREAKS, WILD, code=personal, coupon_url=personal, qr_src=personal)


def contents(*merged):
    words = sources(*merged)
    return st.builds(Content, st.just(Channel.EMAIL), words, words, words, words | st.just(""))


def compiled_of(content, *, has_deal):
    """Return the compiled words; None for the few that are refused, which is not what these tests are about."""
    try:
        return Compiled(content, has_deal=has_deal)
    except ContentError:
        return None


def by_liquid(compiled, *, shop, person, deal, unsubscribe_url):
    try:
        return compiled.render_by_liquid(shop, person, deal, unsubscribe_url)
    except ValueError as error:
        return str(error)


def outcome(compiled, **values):
    try:
        return compiled.render(**values)
    except ContentError as error:
        return str(error)


class TestOutline:
    @given(contents(*MERGED, *OF_THE_DEAL), SHOPS, st.lists(st.tuples(PEOPLE, deals()), min_size=1, max_size=3), WILD)
    @example(
        Content(Channel.EMAIL, "{{ deal }} {{ first_name }}", "{{ last_name }}", " {{ deal }} ", ""),
        SHOP,
        [(Person("", ""), Deal("\n a", "b\r\n\r\nc ", "", " x ", " y ", "z")), (MARIA, DEAL)],
        "u",
    )
    @example(Content(Channel.EMAIL, body="{{ deal | upcase }}"), SHOP, [(MARIA, DEAL)], "u")
    def test_a_mail_with_a_deal_is_what_liquid_makes_of_it(self, content, shop, people, unsubscribe_url):
        if compiled := compiled_of(content, has_deal=True):
            for person, deal in people:
                values = {"shop": shop, "person": person, "deal": deal, "unsubscribe_url": unsubscribe_url}
                assert outcome(compiled, **values) == by_liquid(compiled, **values)

    @given(contents(*MERGED), SHOPS, st.lists(PEOPLE, min_size=1, max_size=3), WILD)
    def test_a_mail_without_a_deal_is_what_liquid_makes_of_it(self, content, shop, people, unsubscribe_url):
        if compiled := compiled_of(content, has_deal=False):
            for person in people:
                values = {"shop": shop, "person": person, "deal": None, "unsubscribe_url": unsubscribe_url}
                assert outcome(compiled, **values) == by_liquid(compiled, **values)

    @pytest.mark.parametrize("has_deal", [True, False])
    def test_liquid_is_not_asked_for_usual_words(self, has_deal, monkeypatch):
        body = "Hi {{ first_name | default: 'there' }},\n\n" + "{{ deal }}" * has_deal
        compiled = Compiled(Content(Channel.EMAIL, "For {{ first_name }}", "{{ last_name }}", body), has_deal=has_deal)
        monkeypatch.setattr(Compiled, "render_by_liquid", None)

        for person in (MARIA, Person(), Person("José", "O'Neil <b>")):
            deal = DEAL if has_deal else None
            mail = compiled.render(shop=SHOP, person=person, deal=deal, unsubscribe_url=WAY_OUT)
            assert (person.first_name or "there") in mail.text

    def test_a_shop_or_a_deal_that_changes_is_seen_at_once(self):
        compiled = Compiled(Content(Channel.EMAIL, "x", "", "{{ business_name }}"), has_deal=True)

        def text(shop, deal):
            return compiled.render(shop=shop, person=MARIA, deal=deal, unsubscribe_url=WAY_OUT).text

        assert "Bar & Grill" in text(SHOP, DEAL)
        assert "Other place" in text(Shop("Other place", "Elsewhere"), DEAL)
        assert "Half price" in text(SHOP, Deal("Half price", "", "", "c", "u"))
        assert DEAL.name in text(SHOP, DEAL)

    def test_a_code_that_is_missing_is_an_error_in_words(self):
        compiled = Compiled(Content(Channel.EMAIL, "x", "", "{{ code }}"), has_deal=True)

        with pytest.raises(ContentError, match="could not be filled"):
            compiled.render(shop=SHOP, person=MARIA, deal=None, unsubscribe_url=WAY_OUT)

    @pytest.mark.parametrize("length", [190_000, 199_900, 199_970, 210_000])
    def test_the_limit_of_output_is_kept(self, length):
        compiled = Compiled(Content(Channel.EMAIL, "x", "", "{{ first_name }}" + "x" * length), has_deal=False)
        values = {"shop": SHOP, "person": Person("é" * 30), "deal": None, "unsubscribe_url": WAY_OUT}

        assert outcome(compiled, **values) == by_liquid(compiled, **values)
        assert isinstance(outcome(compiled, **values), Rendered) == (length < 199_970)


class TestBatch:
    """Marks, filled one after the other as a provider might, give the mail that is rendered for one person."""

    @staticmethod
    def filled(batch: Batch, position: int, marks) -> Rendered:
        parts = {"subject": batch.subject, "text": batch.text, "html": batch.html}
        for mark in marks:
            parts = {name: part.replace(mark, batch.values[position][mark]) for name, part in parts.items()}
        return Rendered(**parts)

    def check(self, compiled, shop, readers):
        batches = batches_of(compiled, shop=shop, readers=readers)
        for batch in batches:
            for position in batch.values:
                reader, marks = readers[position], list(batch.values[position])
                one = compiled.render(
                    shop=shop, person=reader.person, deal=reader.deal, unsubscribe_url=reader.unsubscribe_url
                )
                assert self.filled(batch, position, marks) == one
                assert self.filled(batch, position, reversed(marks)) == one
        return [position for batch in batches for position in batch.values]

    @given(
        contents(*MERGED, *OF_THE_DEAL),
        SHOPS,
        st.lists(st.builds(Reader, PEOPLE, st.just(DEAL) | st.none() | deals(), WILD), max_size=4),
    )
    def test_comes_to_the_mail_of_each_reader(self, content, shop, readers):
        if compiled := compiled_of(content, has_deal=True):
            assert len(set(positions := self.check(compiled, shop, readers))) == len(positions)

    NUMBERS = st.text("12-", max_size=4)

    @given(
        st.lists(NUMBERS | st.sampled_from(["{{ first_name }}", "{{ last_name }}"]), max_size=8).map("".join),
        st.lists(st.builds(Person, NUMBERS, NUMBERS), min_size=1, max_size=4),
    )
    def test_no_mark_comes_into_being_where_numbers_and_dashes_meet(self, body, people):
        compiled = Compiled(Content(Channel.EMAIL, body, body, body), has_deal=False)
        readers = [Reader(person, None, WAY_OUT) for person in people]

        assert len(self.check(compiled, SHOP, readers)) == len(people)

    def test_takes_everybody_in_one_mail_where_the_words_are_usual(self):
        body = "Hi {{ first_name | default: 'there' }},\n\n{{ deal }}"
        compiled = Compiled(Content(Channel.EMAIL, "For {{ first_name }}", "Lunch", body), has_deal=True)
        readers = [Reader(Person(name), DEAL, f"{WAY_OUT}/{name}") for name in ("Ann", "", "-1-", "José <b>")]

        (batch,) = batches_of(compiled, shop=SHOP, readers=readers)

        assert list(batch.values) == [0, 1, 2, 3]
        assert "-1-" not in batch.values[0]
        assert self.check(compiled, SHOP, readers) == [0, 1, 2, 3]

    def test_parts_those_with_and_without_a_preheader(self):
        compiled = Compiled(Content(Channel.EMAIL, "x", "{{ first_name }}", "y"), has_deal=False)
        readers = [Reader(Person(name), None, WAY_OUT) for name in ("Ann", "", "Bob")]

        batches = batches_of(compiled, shop=SHOP, readers=readers)

        assert [list(batch.values) for batch in batches] == [[0, 2], [1]]

    def test_parts_those_with_and_without_a_deal(self):
        compiled = Compiled(Content(Channel.EMAIL, "x", "", "y"), has_deal=True)
        readers = [Reader(MARIA, deal, WAY_OUT) for deal in (DEAL, None, DEAL, None)]

        batches = batches_of(compiled, shop=SHOP, readers=readers)

        assert [list(batch.values) for batch in batches] == [[0, 2], [1, 3]]

    def test_leaves_out_whom_marks_cannot_serve(self):
        compiled = Compiled(Content(Channel.EMAIL, "x", "", "{{ first_name }}"), has_deal=False)
        readers = [Reader(Person(name), None, WAY_OUT) for name in ("Ann", "line\rbreak", "long" * 20_000)]

        assert self.check(compiled, SHOP, readers) == [0]

    def test_gives_up_where_every_number_is_taken(self):
        compiled = Compiled(Content(Channel.EMAIL, "x", "", "{{ first_name }}"), has_deal=False)
        readers = [Reader(Person(f"x-{digit}"), None, WAY_OUT) for digit in range(1, 10)]

        assert batches_of(compiled, shop=SHOP, readers=readers) == []


class TestLimitsOfOwnHtml:
    @pytest.mark.parametrize(("html", "why"), [("<div>" * 501, "too many tags"), ("x" * 400_001, "400,001 characters")])
    def test_refuses_what_would_take_minutes_to_clean(self, html, why):
        with pytest.raises(ContentError, match=why) as refused:
            email(html=html)

        assert refused.value.field == "html"

    def test_takes_many_tags_that_close_each_other(self):
        rows = "<table>" + "<tr><td>a<br><td>b<p>c<p>d<img src=x>" * 600 + "</table>" + "<b>x</b>" * 600

        assert email(html=rows).html.count("<td") > 1200
