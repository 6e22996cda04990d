"""The gallery shows every mail in every language, and loads nothing from anywhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from actors import preview, samples
from actors.templates import Templates
from ecrm.mail import ShownPerson, Values

ROOT = Path(__file__).parents[2] / "templates"
OURS = Templates(ROOT, samples.SHOP)
SHOWN = [("k07", "cart/reminder"), ("k41", "invitation/invitation")]
LOADING = {"img", "link", "script", "source", "video", "audio", "object", "embed", "iframe"}


class Page(HTMLParser):
    """What a reader of the page meets: its elements in order, its texts, its frames' contents."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    return preview.gallery(OURS, [(number, samples.sample(name)) for number, name in SHOWN])


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_every_mail_is_shown_in_every_language_on_a_telephone_and_on_a_desk(page):
    frames = {(frame["title"], frame["width"]) for frame in page.all("iframe")}
    assert frames == {
        (f"{number} {name}, {language}, {where}", width)
        for number, name in SHOWN
        for language in ("en", "fr")
        for where, width in (("telephone", "375"), ("desk", "700"))
    }
    assert [one["lang"] for one in page.all("section")] == ["en", "fr"] * len(SHOWN)


def test_a_mail_stands_under_its_number_and_the_index_leads_there(page):
    anchors = [one["href"] for one in page.all("nav") + page.all("a") if "href" in one]
    assert anchors == [
        "#mails",
        "#k07-cart-reminder",
        "#k41-invitation-invitation",
    ]
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {anchor.removeprefix("#") for anchor in anchors} == ids


def test_subject_preheader_and_text_part_stand_beside_the_picture(page):
    for text in (
        "Anne vous invite chez Maison Arbel",
        "Anne invites you to Maison Arbel",
        "We have kept everything for you: pick up where you stopped in one click.",
    ):
        assert text in page.texts
    assert len(page.all("pre")) == 2 * len(SHOWN)
    assert any("Bonjour Paul,\n" in text for text in page.texts)


def test_the_page_loads_nothing_and_a_mail_runs_nothing(page):
    assert not [one for tag, one in page.elements if tag in LOADING and {"src", "href"} & {*one}]
    (policy,) = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    assert policy.startswith("default-src 'none';")
    for frame in page.all("iframe"):
        assert frame["sandbox"] == "allow-same-origin"
        assert frame["loading"] == "lazy"
        assert '<base target="_blank">' in frame["srcdoc"]
        assert not re.search("<script|<form", frame["srcdoc"])


def test_day_and_night_do_not_depend_on_the_viewers_own_settings(page):
    for frame in page.all("iframe"):
        assert "prefers-color-scheme" not in frame["srcdoc"]
        assert "light dark" not in frame["srcdoc"]
        assert frame["srcdoc"].count(preview.NEVER) == 1
        assert "color-scheme: light" in frame["srcdoc"]
    assert {one["value"] for one in page.all("input") if one["name"] == "theme"} == {
        "light",
        "dark",
    }


def test_the_keyboard_reaches_the_choices_and_the_pictures_but_no_link_inside_a_mail(page):
    assert {frame["tabindex"] for frame in page.all("iframe")} == {"-1"}
    regions = [one for one in page.all("div") if one.get("role") == "region"]
    assert len(regions) == 2 * len(SHOWN)
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in regions)


def test_what_a_shop_or_a_customer_typed_is_shown_and_not_obeyed(tmp_path):
    folder = tmp_path / "mail" / "odd"
    folder.mkdir(parents=True)
    (folder / "one.txt").write_text("Subject: {{ person.first_name }}\nPreheader: p\n\n<i>text</i>")
    (folder / "one.mjml").write_text("<mjml><mj-body></mj-body></mjml>")
    shop = msgspec.structs.replace(samples.SHOP, name='A "&" <b>B</b>')
    mail = msgspec.structs.replace(
        samples.sample("odd/one"), values=Values(person=ShownPerson("D'Arcy & Co"))
    )
    shown = Page(preview.gallery(Templates(tmp_path, shop), [("<k>", mail)]))
    assert shown.all("b") + shown.all("i") == []
    assert {'Mails of A "&" <b>B</b>', "D'Arcy & Co", "<i>text</i>\n"} <= {*shown.texts}
    assert shown.all("article") == [{"id": "-k-odd-one"}]
