"""What is wrong with a template is said by the proof, and what is right compiles.

That nothing is wrong with ours is proved where `run.py check` is: `tests/test_command_line.py`.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import jinja2
import pytest

from actors import proof, samples
from actors.templates import Templates
from ecrm import errors, programme, programmes, shop
from ecrm.mail import ShownOffer

STEPS = {"welcome/one"}
ROOT = Path(__file__).parents[2] / "templates"
OURS = Templates(ROOT, samples.SHOP)

GOOD_TXT = """Subject: [% trans %]A subject[% endtrans %]
Preheader: [% trans %]A preheader that is long enough to be shown by a mailbox.[% endtrans %]

[% trans %]Hello {{ person.first_name }},[% endtrans %]
{{ links.shop }} {{ links.unsubscribe }}
"""
GOOD_MJML = """<mjml lang="[[ lang ]]">
<mj-head><mj-title>[[ subject ]]</mj-title><mj-preview>[[ preheader ]]</mj-preview></mj-head>
<mj-body><mj-section><mj-column>
<mj-text>[% trans %]Hello {{ person.first_name }},[% endtrans %] <a href="{{ links.shop }}">shop</a></mj-text>
</mj-column></mj-section></mj-body></mjml>
"""
PO = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\\n"

"""
FRENCH = {
    ":": " :",
    "A subject": "Un sujet",
    "A preheader that is long enough to be shown by a mailbox.": "Un aperçu assez long pour être affiché par une messagerie.",
    "Hello {{ person.first_name }},": "Bonjour {{ person.first_name }},",
}


def tree(root: Path, txt: str | None = GOOD_TXT, mjml: str | None = GOOD_MJML) -> Templates:
    folder = root / "mail" / "welcome"
    folder.mkdir(parents=True)
    if txt is not None:
        (folder / "one.txt").write_text(txt)
    if mjml is not None:
        (folder / "one.mjml").write_text(mjml)
    return Templates(root, samples.SHOP)


def with_french(root: Path, sentences: dict[str, str], more: str = "") -> Templates:
    folder = root / "locale" / "fr" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    entries = "".join(f'msgid "{one}"\nmsgstr "{text}"\n\n' for one, text in sentences.items())
    (folder / "mail.po").write_text(PO + entries + more)
    return tree(root)


def test_french_is_complete_and_nothing_is_left_over():
    for name in OURS.names:
        OURS.source(name, "fr")
    assert sorted(OURS.catalogues) == ["en", "fr"]
    assert list(proof.sentences(OURS, OURS.catalogues["fr"])) == []
    assert len(OURS.catalogues["fr"].asked) > 100


def test_every_mail_is_two_files():
    assert list(proof.pairs(OURS)) == []
    wanted = {name for one in programmes.ALL for name in programme.templates_of(one)}
    assert set(OURS.names) >= wanted


def test_a_french_sentence_has_no_break_before_its_double_punctuation():
    for text in OURS.catalogues["fr"].sentences.values():
        assert not [mark for mark in "!?;%" if f" {mark}" in text], text


def test_a_good_template_is_clean(tmp_path):
    assert proof.proofread(with_french(tmp_path, FRENCH), STEPS) == []


def said(tmp_path, txt: str = GOOD_TXT, mjml: str = GOOD_MJML) -> str:
    return "\n".join(proof.proofread(tree(tmp_path, txt, mjml), STEPS))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("<mj-text>", "<mj-foo/><mj-text>", ":4: <mj-foo> is no MJML element"),
        ("<mj-column>\n", "\n", ":4: <mj-text> cannot stand in <mj-section>"),
        ("<mj-text>", "<mj-image src='https://a.b/c.png' /><mj-text>", ":4: <mj-image> without alt"),
        ("<a href", "<img src='https://a.b/c.png' /><a href", ":4: <img> without alt"),
        ("<a href", "<form></form><a href", ":4: <form> does not belong in a mail"),
        ("<a href", "{{ cart.totl }}<a href", ":4: ShownCart has no totl"),
        ("<a href", "\n\n{{ nobody }}<a href", ":6: nobody is not defined"),
        ("<a href", "{{ links.evil }}<a href", ":4: Links has no evil"),
        ("<a href", "{{ shop.colours }}<a href", ":4: Shop has no colours"),
        ("<a href", "{{ ticket.subjct }}<a href", ":4: Ticket has no subjct"),
        ("<a href", "{% for l in proposals %}{{ l.becuse }}{% endfor %}<a href", ":4: Proposal has no becuse"),
        ("<a href", "{% for l in order.lines[:3] %}{{ l.nam }}{% endfor %}<a href", ":4: ShownLine has no nam"),
        ("<a href", "{% set l = cart.lines|first %}{{ l.nam }}<a href", ":4: ShownLine has no nam"),
        ("<a href", "{{ (cart.lines if promote else order.lines)[0].nam }}<a href", ":4: ShownLine has no nam"),
        ("<a href", "{{ range(3) }}<a href", ":4: range is not defined"),
        ("<a href", "{{ person.first_name|shout }}<a href", ":4: No filter named 'shout'"),
        ("<a href", "\n{{ code.code }}<a href", ":5: 'None' has no attribute 'code' [en, full sample]"),
        ("<a href", "{{ person.__class__ }}<a href", ":4: ShownPerson has no __class__"),
        ("</mj-text>", "", ":4: <mj-text> is not closed"),
        ("<a href", "<strong><a href", ": is no MJML"),
        ("[% endtrans %] <a", "[% endtranz %] <a", ":4:"),
        ("<mj-title>[[ subject ]]</mj-title>", "", ": has no <mj-title>"),
        (' lang="[[ lang ]]"', "", ":1: <mjml> has no lang"),
        ("shop</a>", "shop</a>" + "x" * 90_001, "bytes of HTML, of 90000 allowed"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_mjml_is_said_with_its_line(tmp_path, old, new, complaint):
    assert old in GOOD_MJML
    found = said(tmp_path, mjml=GOOD_MJML.replace(old, new, 1))
    assert found.startswith("mail/welcome/one.mjml:")
    assert complaint in found


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("{{ links.shop }}", "{{ links.view }}", "txt: has a text part without the link https://"),
        ("[[ preheader ]]", "short", "txt:2: has a preheader of 5 characters"),
        (
            "[[ preheader ]]",
            "[[ subject ]]",
            "txt:2: has a preheader that only repeats the subject",
        ),
    ],
)
def test_what_is_wrong_between_the_two_is_said_of_the_text(tmp_path, old, new, complaint):
    assert f"mail/welcome/one.{complaint}" in said(tmp_path, mjml=GOOD_MJML.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("Subject: ", "Sujet: ", ": a text part begins with Subject:"),
        ("Subject: [% trans %]A subject[% endtrans %]", "Subject: {{ '' }}", ":1: has no subject"),
        ("{{ links.unsubscribe }}", "", ": has a text part without the way out"),
        ("{{ links.shop }}", "", ": has a text part without the link https://boutique.example"),
        ("{{ links.shop }}", "{{ links.shop }}\n\n{{ '' }}\n\n", ": has a hole after 'https://"),
        ("person.first_name }},", "person.frist_name }},", ":4: ShownPerson has no frist_name"),
        ("A subject", "A {{ ordr.order_id }}", ":1: ordr is not defined"),
        ("{{ links.shop }}", "{{ code.code }} {{ links.shop }}", ":5: 'None' has no attribute"),
    ],
)
def test_what_is_wrong_with_the_text_is_said_with_its_line(tmp_path, old, new, complaint):
    assert old in GOOD_TXT
    assert f"mail/welcome/one.txt{complaint}" in said(tmp_path, txt=GOOD_TXT.replace(old, new, 1))


def test_a_fault_in_a_part_is_said_with_the_line_that_asked_for_it(tmp_path):
    parts = tmp_path / "mail" / "parts"
    parts.mkdir(parents=True)
    (parts / "ui.mjml").write_text("[% macro price() %]\n{{ cart.prise }}\n[% endmacro %]\n")
    asked = "\n<mj-text>[% import 'parts/ui.mjml' as ui %][[ ui.price() ]]</mj-text>\n<mj-text>"
    (complaint,) = proof.proofread(
        tree(tmp_path, mjml=GOOD_MJML.replace("<mj-text>", asked, 1)), STEPS
    )
    assert complaint == "mail/welcome/one.mjml:5 (parts/ui.mjml:2): ShownCart has no prise"


def test_a_template_without_a_step_and_a_step_without_a_template_are_said(tmp_path):
    found = proof.proofread(tree(tmp_path), {"welcome/two"})
    assert found == [
        "mail/welcome/two.mjml: a programme sends it, and it is not there",
        "mail/welcome/one.mjml: no programme sends it",
    ]


def test_quotation_marks_in_a_subject_do_no_harm(tmp_path):
    subject = (
        """Subject: {% if person.first_name == "Anne" %}"Good" news{% else %}News{% endif %}"""
    )
    txt = GOOD_TXT.replace("Subject: [% trans %]A subject[% endtrans %]", subject)
    templates = tree(tmp_path, txt=txt)
    assert proof.proofread(templates, STEPS) == []
    html = templates.source("welcome/one", "en").html
    assert "\\" not in html
    assert "<title>{% if person.first_name == 'Anne' %}&quot;Good&quot; news" in html


def test_a_no_break_space_in_an_attribute_stays_one(tmp_path):
    txt = GOOD_TXT.replace("A subject", "Ready\u00a0?")
    mjml = GOOD_MJML.replace("<a href", '<a title="Why\u00a0?" href')
    html = tree(tmp_path, txt, mjml).source("welcome/one", "en").html
    assert 'aria-label="Ready\u00a0?"' in html
    assert 'title="Why\u00a0?"' in html
    assert "\\" not in html


def test_half_a_mail_is_said(tmp_path):
    (one,) = proof.proofread(tree(tmp_path / "a", txt=None), STEPS)
    assert one.startswith("mail/welcome/one.mjml: has no text part")
    (other,) = proof.proofread(tree(tmp_path / "b", mjml=None), ())
    assert other == "mail/welcome/one.txt: has no .mjml beside it"


def test_a_sentence_without_a_translation_is_said(tmp_path):
    missing = {key: text for key, text in FRENCH.items() if key != "A subject"}
    (complaint,) = proof.proofread(with_french(tmp_path, missing), STEPS)
    assert complaint == (
        "mail/welcome/one.txt:1: no translation of 'A subject' in locale/fr/LC_MESSAGES/mail.po"
    )


def test_a_translation_nobody_asks_for_is_said(tmp_path):
    (complaint,) = proof.proofread(with_french(tmp_path, FRENCH | {"Gone": "Parti"}), STEPS)
    assert complaint == "locale/fr/LC_MESSAGES/mail.po:18: no template says 'Gone' any more"


def test_a_translation_that_is_only_guessed_counts_as_missing(tmp_path):
    missing = {key: text for key, text in FRENCH.items() if key != "A subject"}
    fuzzy = '#, fuzzy\nmsgid "A subject"\nmsgstr "Un sujet"\n'
    (complaint,) = proof.proofread(with_french(tmp_path, missing, fuzzy), STEPS)
    assert "no translation of 'A subject'" in complaint


def test_another_placeholder_in_a_translation_is_said(tmp_path):
    changed = FRENCH | {"Hello {{ person.first_name }},": "Bonjour {{ person.last_name }},"}
    (complaint,) = proof.proofread(with_french(tmp_path, changed), STEPS)
    assert "other placeholders than in 'Hello {{ person.first_name }},'" in complaint


def test_a_catalogue_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(errors.Misconfigured, match=r"mail\.po"):
        with_french(tmp_path, {}, "nonsense\n")


def counted(root: Path, language: str, plural: str, forms: list[str]) -> list[str]:
    folder = root / "locale" / language / "LC_MESSAGES"
    folder.mkdir(parents=True)
    head = PO.replace("nplurals=2; plural=(n > 1)", plural)
    texts = "".join(f'msgstr[{n}] "{form}"\n' for n, form in enumerate(forms))
    entry = 'msgid "{{ n }} thing"\nmsgid_plural "{{ n }} things"\n' + texts
    (folder / "mail.po").write_text(head + entry)
    templates = tree(root)
    source = templates.catalogues[language].ngettext("{{ n }} thing", "{{ n }} things", "n")
    template = templates.filler(language, html=False).from_string(source)
    return [template.render(n=number) for number in (0, 1, 2, 5, 22)]


TODAY = samples.TONIGHT


@pytest.mark.parametrize(
    ("price", "offer", "left"),
    [
        (15050, ShownOffer("C", 10, TODAY), 13545),
        (1295, ShownOffer("C", 10, TODAY), 1166),  # 11.655: half a cent stays
        (1249, ShownOffer("C", 10, TODAY), 1124),  # 11.241
        (1, ShownOffer("C", 49, TODAY), 1),
        (1250, ShownOffer("C", 100, TODAY), 0),
        (0, ShownOffer("C", 10, TODAY), 0),
        (6000, ShownOffer("C", 0, TODAY, amount=1000, currency="EUR"), 5000),
        (600, ShownOffer("C", 0, TODAY, amount=1000, currency="EUR"), 0),
        (5000, ShownOffer("C", 0, TODAY, amount=1000, minimum=5000, currency="EUR"), 4000),
        (4999, ShownOffer("C", 0, TODAY, amount=1000, minimum=5000, currency="EUR"), 4999),
        (4999, ShownOffer("C", 10, TODAY, minimum=5000, currency="EUR"), 4999),
        (6000, ShownOffer("C", 0, TODAY, amount=1000, currency="USD"), 6000),
        (6000, None, 6000),
    ],
)
def test_an_offer_leaves_so_much_of_a_price(price, offer, left):
    template = OURS.filler("en", html=False).from_string("{{ price|reduced(offer, 'EUR') }}")
    assert template.render(price=price, offer=offer) == str(left)


def test_a_number_takes_the_form_of_its_language(tmp_path):
    french = counted(
        tmp_path / "fr", "fr", "nplurals=2; plural=(n > 1)", ["{{ n }} chose", "{{ n }} choses"]
    )
    assert french == ["0 chose", "1 chose", "2 choses", "5 choses", "22 choses"]
    rule = "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2)"
    polish = counted(
        tmp_path / "pl", "pl", rule, ["{{ n }} rzecz", "{{ n }} rzeczy", "{{ n }} rzeczyy"]
    )
    assert polish == ["0 rzeczyy", "1 rzecz", "2 rzeczy", "5 rzeczyy", "22 rzeczy"]


@pytest.mark.parametrize(
    "attack",
    ["{{ person.__class__.__mro__ }}", "{{ links.rate.__globals__ }}", "{{ ''.__class__ }}"],
)
def test_a_template_cannot_reach_out_of_its_values(attack):
    template = OURS.filler("en", html=True).from_string(attack)
    values = {"person": samples.sample("welcome/hello").values.person, "links": OURS}
    with pytest.raises((jinja2.exceptions.SecurityError, jinja2.UndefinedError)):
        template.render(values)


def test_a_template_that_is_not_there_is_refused():
    with pytest.raises(errors.Rejected, match="no template"):
        OURS.find("welcome/../../secret", "en")


def test_what_is_the_same_in_every_mail_is_settled_when_it_is_compiled():
    pieces = OURS.find("welcome/hello", "fr").known_html
    assert any(f">Bienvenue chez {samples.SHOP.name}</h1>" in piece for piece in pieces)
    assert any(f'bgcolor="{OURS.shop.colour}"' in piece for piece in pieces)


def markup() -> str:
    """All that is written in the mails and their parts, without the rules for the night."""
    files = sorted((ROOT / "mail").glob("*/*.mjml"))
    return re.sub(NIGHT_RULES, "", "".join(file.read_text("utf-8") for file in files))


NIGHT_RULES = r"(?s)@media \(prefers-color-scheme: dark\) \{.*?\n      \}\n"
COLOUR = r"#[0-9a-f]{6}"


def colours(source: str) -> tuple[set[str], set[str]]:
    """What is written in and what it is written on."""
    inks = re.findall(rf"(?<![-\w])color[:=]\s*\"?({COLOUR})", source)
    grounds = re.findall(rf"background(?:-color)?[:=]\s*\"?({COLOUR})", source)
    return set(inks), set(grounds)


@pytest.mark.parametrize("colour", ["#1d5c54", "#ffc400", "#ffffff", "#000000", "#e4002b"])
def test_every_colour_can_be_read_on_every_ground_by_day_and_by_night(colour):
    layout = (ROOT / "mail/parts/layout.mjml").read_text("utf-8")
    (rules,) = re.findall(NIGHT_RULES, layout)
    brand = shop.brand(colour)
    for source, link in ((markup(), brand.link), (rules, brand.link_dark)):
        inks, grounds = colours(source)
        assert len(inks) >= 2
        assert len(grounds) >= 3
        for ink, ground in product(inks | {link}, grounds):
            assert shop.contrast(ink, ground) >= 4.5, (ink, ground)
    assert shop.contrast(brand.on_colour, brand.colour) >= 4.5


def test_no_ink_of_the_day_is_left_in_the_night():
    # the night rules of the layout reach these elements and classes, and no others
    reached = {"a", "td", "h1", "h2", "div"}
    for tag, rest in re.findall(r"<(\w+)((?:[^<>]|<(?!\w))*?(?<![-\w])color:[^<>]*)>", markup()):
        assert tag in reached or re.search(r'class="(soft|mark)"', rest), (tag, rest)
