"""What a customer gets, read back from the bytes with the stdlib's parser.

`tests/golden/mails` holds one mail per template as it goes out. After a change that is meant:
`ECRM_GOLDEN=write pytest tests/actors/test_compose.py`, then read the difference.
"""

from __future__ import annotations

import email
import email.policy
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from actors import samples
from actors.compose import Composer, Message
from actors.templates import Templates
from ecrm import errors, links
from ecrm.links import Link, LinkKey, LinkKeys
from ecrm.mail import MARKETING, Mail, Proposal, Relation, ShownLine, ShownOffer, ShownPerson
from ecrm.moment import Instant, parse_instant

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "mails"
KEYS = LinkKeys(LinkKey(1, b"the key of the reference mails.."))
TEMPLATES = Templates(ROOT / "templates", samples.SHOP)
COMPOSER = Composer(TEMPLATES, samples.SHOP, samples.SETTINGS, KEYS)
CART, ORDER = "cart/reminder", "confirmation/confirmed"
TODAY = ShownOffer("MARS7-Q2KXN", 10, samples.TONIGHT)
THIS_WEEK = ShownOffer("MARS7-Q2KXN", 15, samples.NEXT_WEEK, today=False)
MONEY = ShownOffer("MARS7-Q2KXN", 0, samples.NEXT_WEEK, 1500, 12000, "EUR", today=False)
OFFERS = [TODAY, THIS_WEEK, MONEY]


def changed(mail: Mail, **changes) -> Mail:
    return msgspec.structs.replace(mail, **changes)


def with_values(mail: Mail, **changes) -> Mail:
    return changed(mail, values=changed(mail.values, **changes))


def with_lines(mail: Mail, *lines: ShownLine) -> Mail:
    return with_values(mail, cart=changed(mail.values.cart, lines=lines))


def made(template: str, amount: samples.Amount = "full", locale: str = "fr-FR", **more) -> Message:
    return COMPOSER.compose(changed(samples.sample(template, amount, locale), **more))


# words that only one of the two languages has, and that hardly a sentence does without
WORDS = {
    "fr-FR": {"the", "your", "you", "our", "we", "and", "with", "of", "is", "are", "this", "that"},
    "en-GB": {"le", "la", "les", "des", "une", "votre", "vos", "vous", "nous", "est", "et", "avec"},
}


class Visible(HTMLParser):
    """What a reader of the HTML part sees or hears."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._styled = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self._styled = tag == "style"
        self.words += [text for name, text in attrs if name in {"alt", "title"} and text]

    def handle_data(self, data):
        self.words += [] if self._styled else [data]


def typed(value: object) -> Iterator[str]:
    """The texts of a customer or a shop, which may be in any language."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from typed(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from typed(one)


def spoken(mail: Mail, message: Message) -> set[str]:
    """The words of a mail that are ours."""
    text = " ".join((message.subject, message.text, *Visible(message.html).words))
    shown = {*typed(msgspec.to_builtins(mail.values)), *typed(msgspec.to_builtins(samples.SHOP))}
    for other in sorted(shown, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(other)}(?!\w)", " ", text)
    text = re.sub(r"\S+://\S+|\S+@\S+", " ", text)
    return set(re.findall(r"[^\W\d_]+", text.lower()))


def proposed(relation: Relation, because: str = "La lampe", **more) -> str:
    proposal = Proposal("g1", relation, because, "Un article", 1290, "EUR", **more)
    mail = samples.sample("newsletter/news")
    message = COMPOSER.compose(with_values(mail, cart=None, viewed=(), proposals=(proposal,)))
    return message.text.partition("Nous avons pensé à vous\n\n")[2].partition("\n\n")[0]


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def tokens(text: str, path: str) -> list[str]:
    return re.findall(rf"https://courrier\.boutique\.example/{path}/([\w-]+)", text)


@pytest.mark.parametrize("name", TEMPLATES.names)
def test_a_mail_is_byte_for_byte_the_reference(name):
    file = GOLDEN / f"{name.replace('/', '-')}.eml"
    composed = made(name).bytes
    if os.environ.get("ECRM_GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(composed)
    assert composed == file.read_bytes()


def test_every_mail_has_its_reference_and_no_other_has():
    assert {file.stem for file in GOLDEN.glob("*.eml")} == {
        name.replace("/", "-") for name in TEMPLATES.names
    }


def test_the_same_mail_makes_the_same_bytes_with_another_composer():
    other = Composer(
        Templates(ROOT / "templates", samples.SHOP), samples.SHOP, samples.SETTINGS, KEYS
    )
    mail = samples.sample(CART, "long")
    assert other.compose(mail) == COMPOSER.compose(mail) == COMPOSER.compose(mail)


@pytest.mark.parametrize("amount", samples.AMOUNTS)
@pytest.mark.parametrize("name", [CART, ORDER, "welcome/hello"])
def test_what_an_operator_sees_is_what_was_sent(name, amount):
    message = made(name, amount)
    parsed = email.message_from_bytes(message.bytes, policy=email.policy.default)
    text, html = (
        parsed.get_body((kind,)).get_payload(decode=True).decode().replace("\r\n", "\n")
        for kind in ("plain", "html")
    )
    assert (parsed["Subject"], text, html) == (message.subject, message.text, message.html)


@pytest.mark.parametrize("name", TEMPLATES.names)
def test_a_mail_can_be_read_by_everybody(name):
    for locale in ("fr-FR", "en-GB"):
        html = made(name, locale=locale).html
        sizes = {int(size) for size in re.findall(r"font-size:(\d+)px", html)}
        assert min(sizes - {0, 1}) >= 14
        assert f'<html lang="{locale[:2]}"' in html
        assert "<title>" in html
        assert '<meta name="color-scheme" content="light dark"' in html
        assert "@media (prefers-color-scheme: dark)" in html
        assert not re.search(r"<(form|script|link|iframe)\b", html)
        assert "fonts.googleapis" not in html


@pytest.mark.parametrize("name", TEMPLATES.names)
@pytest.mark.parametrize("amount", samples.AMOUNTS)
def test_no_mail_shows_a_hole(name, amount):
    message = made(name, amount)
    for part in (message.subject, message.text):
        assert not re.search(r"None|Undefined|\bfalse\b|[\[{]%|%[\]}]|\[\[|\]\]", part)
        assert "\n\n\n" not in part
    if amount == "bare":
        assert "0,00" not in message.text + message.html
        assert "{{" not in message.text


@pytest.mark.parametrize("name", TEMPLATES.names)
def test_no_address_of_the_recipient_is_in_a_mail(name):
    message = made(name)
    assert "anne@exemple" not in message.html + message.text + message.subject
    assert message.bytes.count(b"anne@exemple") == 1


def test_what_a_customer_or_a_shop_typed_is_shown_and_not_obeyed():
    name = "<script>alert('x')</script> & {{ shop.name }} {% if %}"
    line = ShownLine("p", name, url="https://a.example/?a=1&b=2")
    message = COMPOSER.compose(with_lines(samples.sample(CART), line))
    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert 'href="https://a.example/?a=1&amp;b=2"' in message.html
    assert f"- {name}" in message.text


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//a.example", "ftp://a"]
)
def test_only_web_addresses_become_links(url):
    line = ShownLine("p", "A thing", url=url, image_url=url)
    message = COMPOSER.compose(with_lines(samples.sample(CART), line))
    assert url not in message.html + message.text
    assert "A thing" in message.html


def test_an_image_comes_over_https_or_not_at_all():
    plain = ShownLine("p", "A thing", image_url="http://a.example/i.jpg")
    safe = ShownLine("q", "Another", image_url="https://a.example/i.jpg")
    assert "<img" not in COMPOSER.compose(with_lines(samples.sample(CART), plain)).html
    html = COMPOSER.compose(with_lines(samples.sample(CART), plain, safe)).html
    assert re.findall(r'<img src="([^"]*)" alt=""', html) == ["https://a.example/i.jpg"]


@pytest.mark.parametrize(
    "name",
    [
        "https://evil.example",
        "Win at evil.example",
        "a@b.fr",
        "x" * 41,
        "Anne\r\nBcc: x",
        "4nne",
        "<b>",
    ],
)
def test_a_first_name_that_is_none_is_not_repeated(name):
    message = COMPOSER.compose(with_values(samples.sample(CART), person=ShownPerson(name)))
    assert "Bonjour," in message.text
    assert name not in message.html + message.text


@pytest.mark.parametrize(
    "name", ["Anne", "Jean-Éric", "D\u2019Arcy", "María José", "Łukasz", "J. R.", "李"]
)
def test_a_first_name_is_greeted(name):
    message = COMPOSER.compose(with_values(samples.sample(CART), person=ShownPerson(name)))
    assert f"Bonjour {name}," in message.text


def test_a_long_cart_shows_the_first_lines_and_counts_the_rest():
    message = made(CART, "long")
    assert message.text.count("\n- ") == 6
    assert "et 54 autres articles" in message.text
    assert "et 54 autres articles" in message.html
    assert "and 54 more items" in made(CART, "long", "en-GB").text


def test_one_line_too_many_is_shown_rather_than_counted():
    lines = [ShownLine(f"p{n}", f"Thing {n}") for n in range(8)]
    seven = COMPOSER.compose(with_lines(samples.sample(CART), *lines[:7]))
    assert seven.text.count("\n- ") == 7
    assert "autre" not in seven.text.partition("--")[0]
    assert "et 2 autres articles" in COMPOSER.compose(with_lines(samples.sample(CART), *lines)).text


def test_an_order_shows_what_the_shop_reported_and_nothing_else():
    full = made(ORDER).text
    for shown in (
        "Livraison : 4,90\u00a0€",
        "Remise : \u221215,05\u00a0€",
        "Total : 140,35\u00a0€ (dont taxes : 23,39",
    ):
        assert shown.replace(" :", "\u00a0:") in full
    bare = made(ORDER, "bare").text
    assert not [
        word for word in ("Livraison", "Remise", "Total", "taxes", "Date", "€") if word in bare
    ]
    assert "Livraison\u00a0: Offerte" in made(ORDER, "long").text


def test_promotion_in_a_confirmation_needs_consent_and_offers_a_way_out():
    def promoted(promote: bool) -> str:
        return COMPOSER.compose(with_values(samples.sample(ORDER), promote=promote)).text

    assert "Pour accompagner votre commande" in promoted(True)
    assert tokens(promoted(True), "p")
    assert "Pour accompagner votre commande" not in promoted(False)
    assert not tokens(promoted(False), "p")


def test_a_confirmation_speaks_of_the_next_order_where_something_is_used_up():
    def said(promote: bool, recurring: bool) -> bool:
        mail = with_values(samples.sample(ORDER), promote=promote)
        order = changed(mail.values.order, recurring=recurring)
        message = COMPOSER.compose(with_values(mail, order=order))
        found = {"Quand il n’y en aura plus" in part for part in (message.text, message.html)}
        assert len(found) == 1
        return found.pop()

    assert said(promote=True, recurring=True)
    assert not said(promote=True, recurring=False)
    assert not said(promote=False, recurring=True)


def test_marketing_shows_its_ways_out_and_a_transactional_mail_has_none():
    for lane in (2, 3):
        message = made(CART, lane=lane)
        for part in (message.html, message.text):
            assert tokens(part, "u")
            assert tokens(part, "p")
    message = made(ORDER)
    assert not tokens(message.html + message.text, "u")
    assert b"List-" not in message.bytes


def test_the_way_out_in_the_header_is_the_one_in_the_mail():
    message = made(CART)
    (token,) = set(tokens(message.text + message.html, "u"))
    header = email.message_from_bytes(message.bytes)["List-Unsubscribe"]
    assert token in tokens(header, "u")
    assert f"stop+{token}@boutique.example" in header


def test_every_link_proves_itself_for_its_own_purpose():
    mail = samples.sample("parcel/arrived")
    text = COMPOSER.compose(mail).text
    scores = [links.read(KEYS, "rate", token) for token in tokens(text, "r")]
    assert scores == [Link(mail.mail_id, score) for score in range(1, 6)]
    for purpose, path in (("unsubscribe", "u"), ("preferences", "p"), ("view", "v")):
        (token,) = tokens(text, path)
        assert links.read(KEYS, purpose, token) == Link(mail.mail_id, 0)


def test_a_product_is_reviewed_by_its_place_in_the_order():
    text = made("review/product").text
    places = [links.read(KEYS, "review", token).index for token in tokens(text, "w")]
    assert places == [1, 2, 3]


@pytest.mark.parametrize(
    ("locale", "subject"),
    [
        ("fr-FR", "Votre panier vous attend"),
        ("fr", "Votre panier vous attend"),
        ("fr_CA", "Votre panier vous attend"),
        ("en-GB", "Your cart is waiting for you"),
        ("en", "Your cart is waiting for you"),
        ("es-ES", "Votre panier vous attend"),
        ("", "Votre panier vous attend"),
        ("xx-nonsense", "Votre panier vous attend"),
    ],
)
def test_a_mail_speaks_the_customers_language_else_the_shops(locale, subject):
    assert subject in made(CART, locale=locale).html


@pytest.mark.parametrize(
    ("locale", "total"),
    [
        ("fr-FR", "150,50\u00a0€"),
        ("en-GB", "€150.50"),
        ("en-IE", "€150.50"),
        ("es-ES", "150,50\u00a0€"),
        ("fr-CH", "150,50\u00a0€"),
    ],
)
def test_money_follows_the_whole_locale(locale, total):
    assert total in made(CART, locale=locale).text


def test_a_shop_in_a_language_without_templates_writes_english():
    shop = changed(samples.SHOP, locale="de")
    composer = Composer(Templates(ROOT / "templates", shop), shop, samples.SETTINGS, KEYS)
    assert "Your cart" in composer.compose(samples.sample(CART, locale="nl-NL")).html


def test_an_offer_until_midnight_is_valid_on_the_day_before():
    def until(instant: str) -> str:
        mail = samples.sample("cart/offer")
        offer = changed(mail.values.offer, until=parse_instant(instant))
        return COMPOSER.compose(with_values(mail, offer=offer)).text

    assert "jeudi 5 mars 2026, jusqu\u2019à 23:59" in until("2026-03-05T23:00:00Z")
    assert "jeudi 5 mars 2026, jusqu\u2019à 20:59" in until("2026-03-05T20:00:00Z")


@pytest.mark.parametrize("name", TEMPLATES.names)
@pytest.mark.parametrize("locale", sorted(WORDS))
def test_a_subject_can_be_read_to_its_end(name, locale):
    assert len(made(name, locale=locale).subject) <= 60


def test_a_subject_stays_one_clean_line():
    mail = samples.sample(ORDER)
    order = changed(mail.values.order, order_id="10\r\nBcc: x@y.z\x00\u2028 28")
    message = COMPOSER.compose(with_values(mail, order=order))
    assert message.subject == "Commande 10 Bcc: x@y.z 28 confirmée\u00a0: merci\u00a0!"
    assert email.message_from_bytes(message.bytes)["Bcc"] is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"template": "cart/nothing"}, "no_template"),
        ({"zone": "Mars/Olympus"}, "bad_zone"),
        ({"to": "anne"}, "bad_address"),
        ({"to": "anne@b.fr\r\nBcc: x@y.z"}, "bad_address"),
    ],
)
def test_a_mail_that_cannot_be_written_is_refused(changes, code):
    with pytest.raises(errors.Rejected) as caught:
        COMPOSER.compose(changed(samples.sample(CART), **changes))
    assert caught.value.code == code


def test_a_template_whose_values_are_missing_says_so():
    with pytest.raises(errors.Misconfigured, match="mail/cart/reminder"):
        COMPOSER.compose(with_values(samples.sample(CART), cart=None))


def test_a_shop_whose_address_cannot_be_written_to_is_told_at_once():
    settings = changed(samples.SETTINGS, reply_to="nobody")
    with pytest.raises(errors.Rejected, match="nobody"):
        Composer(TEMPLATES, samples.SHOP, settings, KEYS)


def test_the_shops_name_and_address_are_in_every_mail():
    shop = changed(
        samples.SHOP, name="Fils & Co", postal_address="1 <rue>", logo_url="https://a.b/l.png"
    )
    composer = Composer(Templates(ROOT / "templates", shop), shop, samples.SETTINGS, KEYS)
    message = composer.compose(samples.sample(CART))
    assert "Fils &amp; Co" in message.html
    assert "1 &lt;rue&gt;" in message.html
    assert 'src="https://a.b/l.png" alt="Fils &amp; Co"' in message.html
    assert "Fils & Co\n" in message.text


def test_a_mail_composed_again_much_later_is_the_same():
    mail = samples.sample(ORDER)
    assert COMPOSER.compose(changed(mail, not_after=Instant(mail.not_after + 10**10))).bytes == (
        COMPOSER.compose(mail).bytes
    )


@pytest.mark.parametrize("name", TEMPLATES.names)
@pytest.mark.parametrize("locale", sorted(WORDS))
def test_no_mail_mixes_two_languages(name, locale):
    for amount in ("full", "bare"):
        words = spoken(samples.sample(name, amount, locale), made(name, amount, locale))
        assert words & WORDS[locale] == set()


def test_a_mail_in_the_wrong_language_would_be_noticed():
    for locale, other in (("fr-FR", "en-GB"), ("en-GB", "fr-FR")):
        words = spoken(samples.sample(CART, locale=other), made(CART, locale=other))
        assert len(words & WORDS[locale]) >= 5


@pytest.mark.parametrize(
    ("offer", "shown"),
    [
        (TODAY, ["−10 %", "valable aujourd’hui seulement, jeudi 5 mars 2026, jusqu’à 23:59"]),
        (THIS_WEEK, ["−15 %", "valable jusqu’au jeudi 12 mars 2026, 23:59"]),
        (
            MONEY,
            ["−15,00 €", "dès 120,00 € d’achat", "valable jusqu’au jeudi 12 mars 2026, 23:59"],
        ),
    ],
)
def test_an_offer_says_what_it_takes_off_from_which_sum_and_until_when(offer, shown):
    message = COMPOSER.compose(with_values(samples.sample("cart/offer"), offer=offer))
    worth, *sums, until = shown
    assert [line[2:] for line in plain(message.text).splitlines() if line[:2] == "* "] == [
        f"{worth} avec le code MARS7-Q2KXN",
        *sums,
        "à saisir au moment de payer",
        until,
    ]
    seen = plain(" ".join(Visible(message.html).words))
    for part in (*shown[:-1], *until.split("seulement, "), "MARS7-Q2KXN"):
        assert part in seen


@pytest.mark.parametrize("template", ["cart/offer", "cart/offer-security", "cart/offer-promotion"])
@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_in_a_subject_is_in_its_own_terms_and_of_today_only_where_it_is(template, offer):
    mail = with_values(samples.sample(template), offer=offer)
    subject = plain(COMPOSER.compose(mail).subject)
    assert ("−15,00 €" if offer.amount else f"−{offer.percent} %") in subject
    assert ("ujourd’hui" in subject) == offer.today


@pytest.mark.parametrize(
    "name", [n for n in TEMPLATES.names if samples.SHOWN[n].mail_class == MARKETING]
)
@pytest.mark.parametrize("locale", sorted(WORDS))
def test_a_marketing_mail_that_has_an_offer_shows_its_code(name, locale):
    message = COMPOSER.compose(with_values(samples.sample(name, locale=locale), offer=MONEY))
    for part in (message.text, message.html):
        assert part.count(MONEY.code) == 1


def test_a_thank_you_with_an_offer_does_not_say_that_there_is_nothing_to_buy():
    mail = samples.sample("thanks/thanks")
    assert "Rien à acheter" in COMPOSER.compose(mail).text
    assert "Rien à acheter" not in COMPOSER.compose(with_values(mail, offer=TODAY)).text


@pytest.mark.parametrize("template", ["cart/offer", "cart/offer-security", "cart/offer-promotion"])
def test_a_cart_costs_so_much_without_the_code_and_so_much_with_it(template):
    message = COMPOSER.compose(with_values(samples.sample(template), offer=TODAY))
    assert "Total : 150,50 €\nAvec votre code : 135,45 €\n" in plain(message.text)
    seen = plain(" ".join(Visible(message.html).words))
    assert re.search(r"Total +avant la remise :  *150,50 € +Avec votre code +135,45 €", seen)
    assert re.search(r"line-through[^>]*>150,50\s€</span>", message.html)


def test_a_cart_that_the_code_does_not_reach_has_one_total():
    beyond = changed(MONEY, minimum=150_51)
    for mail in (
        samples.sample(CART),
        with_values(samples.sample("cart/offer"), offer=beyond),
        with_values(samples.sample("cart/offer"), offer=changed(MONEY, currency="USD")),
    ):
        message = COMPOSER.compose(mail)
        assert "Total : 150,50 €\n" in plain(message.text)
        assert "Avec votre code" not in message.text + message.html
        assert "line-through" not in message.html


@pytest.mark.parametrize(
    "template", ["nursing/promotion", "nursing/second", "affinity/suggestions"]
)
def test_a_product_costs_so_much_without_a_code_in_percent_and_so_much_with_it(template):
    proposal = Proposal("g1", "affinity", "", "Un article", 1290, "EUR")
    mail = with_values(samples.sample(template), proposals=(proposal,), offer=THIS_WEEK)
    message = COMPOSER.compose(mail)
    assert "- Un article – 12,90 €, avec votre code : 10,97 €\n" in plain(message.text)
    seen = plain(" ".join(Visible(message.html).words))
    assert re.search(r"avant la remise :  *12,90 € +10,97 € +avec votre code", seen)


def test_a_sum_of_money_is_not_taken_off_each_product():
    proposal = Proposal("g1", "affinity", "", "Un article", 12900, "EUR")
    mail = with_values(samples.sample("nursing/promotion"), proposals=(proposal,), offer=MONEY)
    message = COMPOSER.compose(mail)
    assert "- Un article – 129,00 €\n" in plain(message.text)
    assert "line-through" not in message.html


def test_a_new_edition_costs_its_owners_less():
    mail = samples.sample("edition/released")
    message = COMPOSER.compose(with_values(mail, offer=changed(MONEY, amount=200, minimum=0)))
    assert "13,50 €, avec votre code : 11,50 €\n" in plain(message.text)
    assert re.search(r"line-through[^>]*>13,50\s€</span> <strong>11,50\s€", message.html)


@pytest.mark.parametrize(
    ("relation", "reason"),
    [
        ("complements", "S’accorde avec La lampe"),
        ("services", "Pour La lampe"),
        ("same_creator", "Du même créateur que La lampe"),
        ("series", "La nouvelle édition de La lampe"),
        ("affinity", "Dans l’esprit de La lampe"),
        ("bought_with", "Souvent acheté avec La lampe"),
    ],
)
def test_a_proposal_says_why(relation, reason):
    assert proposed(relation) == f"- Un article – 12,90\u00a0€\n  {reason}"


def test_a_proposal_without_a_reason_gives_none_and_one_with_an_address_leads_there():
    assert proposed("affinity", "") == "- Un article – 12,90\u00a0€"
    shown = proposed("services", "La lampe", url="https://a.example/g1")
    assert shown == "- Un article – 12,90\u00a0€\n  Pour La lampe\n  https://a.example/g1"


def test_a_confirmation_proposes_products_or_else_the_shop():
    mail = samples.sample(ORDER)
    proposals, none = COMPOSER.compose(mail).text, COMPOSER.compose(with_values(mail, proposals=()))
    assert proposals.index("Garantie cinq ans") < proposals.index("Ampoule à filament")
    assert "Voir ce qui va avec" not in proposals
    assert "Un accessoire, une recharge" in none.text
    assert "Un accessoire, une recharge" not in proposals


def test_no_more_than_six_products_are_proposed():
    message = made("newsletter/news", "long")
    block = message.text.partition("Nous avons pensé à vous")[2].partition("Vous avez regardé")[0]
    assert block.count("\n- ") == 6


@pytest.mark.parametrize(
    ("name", "said", "ways"),
    [
        (CART, "Vous recevez cette lettre parce que vous l’avez demandée", "puv"),
        (ORDER, "Vous recevez ce message parce qu’il concerne votre compte", "pv"),
        ("digest/digest", "Vous recevez ce message parce que vous avez demandé", "pv"),
        ("invitation/invitation", "Anne nous a demandé de vous écrire une seule fois", "u"),
        ("verification/code", "Vous recevez ce message parce qu’il concerne votre compte", ""),
        ("reset/link", "Vous recevez ce message parce qu’il concerne votre compte", ""),
        ("farewell/deleted", "Vous recevez ce message parce qu’il concerne votre compte", ""),
        ("support-news/update", "Vous recevez ce message parce que vous participez à une", "v"),
    ],
)
def test_a_footer_says_why_one_has_this_mail_and_shows_the_ways_that_fit(name, said, ways):
    message = made(name)
    for part in (message.text, message.html):
        assert said in part
        assert "".join(path for path in "puv" if tokens(part, path)) == ways


@pytest.mark.parametrize(
    ("name", "low", "high", "title"),
    [
        ("parcel/arrived", "Pas satisfaisant", "Très satisfaisant", "Notre boutique"),
        ("support-survey/survey", "Pas satisfaisant", "Très satisfaisant", "Notre réponse"),
        ("question/question", "Pas utiles", "Très utiles", "Nos messages"),
    ],
)
def test_a_rating_says_what_is_rated_and_what_the_ends_mean(name, low, high, title):
    message = made(name)
    assert f"1/5 ({low})" in message.text
    assert f"5/5 ({high})" in message.text
    titles = re.findall(r'<a [^>]*title="([^"]*)"', plain(message.html))
    assert titles == [
        f"{title} : 1/5 ({low})",
        *(f"{title} : {score}/5" for score in (2, 3, 4)),
        f"{title} : 5/5 ({high})",
    ]


def test_an_answer_in_one_click_names_the_choice():
    mail = samples.sample("question/question")
    for choice in (1, 2, 3):
        (token,) = tokens(COMPOSER.links(mail).prefer(choice), "p")
        assert links.read(KEYS, "preferences", token) == Link(mail.mail_id, choice)


@pytest.mark.parametrize("cadence", ["daily", "weekly", "monthly"])
def test_a_digest_says_its_rhythm_and_counts_what_it_leaves_out(cadence):
    mail = samples.sample("digest/digest", "long", "en-GB")
    digest = changed(mail.values.digest, cadence=cadence)
    message = COMPOSER.compose(with_values(mail, digest=digest))
    word = {"daily": "day", "weekly": "week", "monthly": "month"}[cadence]
    assert message.subject == f"Your {word} at Maison Arbel"
    for line in ("80 new comments", "and 72 earlier ones", "and 32 later ones"):
        assert line in message.text.splitlines()


def test_a_newsletter_without_a_subject_of_its_own_has_ours():
    assert made("newsletter/news").subject == "Le printemps à l’atelier"
    assert made("newsletter/news", "bare").subject == "Du nouveau chez Maison Arbel"
    assert made("newsletter/news", "bare", "en-GB").subject == "What is new at Maison Arbel"
