"""Proofreading: what is wrong with a template is said here, not in a customer's inbox.

`proofread` reads every template in every language, follows what it asks for through the types of
`ecrm.mail.Values`, and fills it with samples of all sizes. MJML's compiler takes an unknown tag
without a word and adds no `alt`, so both are looked for here (delivery §2.3, rules 4 to 7).
Each complaint begins with the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import jinja2

from actors import samples
from actors.compose import Composer, Message
from actors.templates import SOURCE_LANGUAGE, Catalogue, Source, Templates
from actors.variables import undefined
from ecrm import errors
from ecrm.delivery import quoted
from ecrm.links import LinkKey, LinkKeys
from ecrm.mail import Mail

HTML_BUDGET = 90_000  # encoded; Gmail clips near 102 kB and hides the way out
PREHEADER = range(40, 111)
_HOLES = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
_KEYS = LinkKeys(LinkKey(0, b"a sample's key, not a secret"))

_IN_BODY = {"mj-section", "mj-wrapper", "mj-hero", "mj-raw"}
_IN_COLUMN = {
    "mj-text", "mj-button", "mj-image", "mj-table", "mj-divider", "mj-spacer", "mj-raw",
    "mj-social",
}  # fmt: skip
# which MJML element stands in which; an element that is not here is unknown
NESTING: dict[str, set[str]] = {
    "mjml": {"mj-head", "mj-body"},
    "mj-head": {
        "mj-title", "mj-preview", "mj-attributes", "mj-breakpoint", "mj-style", "mj-raw", "mj-font",
    },
    "mj-attributes": {"mj-all", "mj-class", *_IN_BODY, *_IN_COLUMN, "mj-column", "mj-group"},
    "mj-body": _IN_BODY,
    "mj-wrapper": {"mj-section", "mj-hero", "mj-raw"},
    "mj-section": {"mj-column", "mj-group", "mj-raw"},
    "mj-group": {"mj-column", "mj-raw"},
    "mj-column": _IN_COLUMN,
    "mj-hero": _IN_COLUMN,
    "mj-social": {"mj-social-element"},
}  # fmt: skip
KNOWN = set(NESTING).union(*NESTING.values())
_HTML = {
    "a", "b", "br", "div", "em", "h1", "h2", "h3", "i", "img", "li", "meta", "ol", "p", "small",
    "span", "strong", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip


def proofread(templates: Templates) -> list[str]:
    """Everything that is wrong, one sentence each; an empty list is a clean proof."""
    found = [*pairs(templates)]
    for language in templates.catalogues:
        for name in templates.names:
            found += template(templates, name, language)
    for catalogue in templates.catalogues.values():
        found += sentences(catalogue)
    return list(dict.fromkeys(found))


def pairs(templates: Templates) -> Iterator[str]:
    """A mail is two files."""
    for file in sorted(templates.folder.glob("*/*.txt")):
        if file.parent.name != "parts" and not file.with_suffix(".mjml").exists():
            yield f"mail/{file.parent.name}/{file.name}: has no .mjml beside it"
    for name in templates.names:
        if not (templates.folder / f"{name}.txt").exists():
            yield f"mail/{name}.mjml: has no text part, subject and preheader ({name}.txt)"


def template(templates: Templates, name: str, language: str) -> list[str]:
    """What is wrong with one template in one language."""
    if not (templates.folder / f"{name}.txt").exists():
        return []
    try:
        source = templates.source(name, language)
        wrong = [*_markup(name, language, source)]
        wrong = wrong or [*_variables(templates, name, language, source)]
    except errors.Misconfigured as exc:
        return [str(exc)]
    except jinja2.TemplateSyntaxError as exc:
        return [f"mail/{name}: {exc.message}"]
    except ValueError as exc:
        return [f"mail/{name}.mjml: is no MJML: {exc}"]
    return wrong or [*_filled(templates, name, language)]


class _Markup(HTMLParser):
    """Tags that are unknown or in the wrong place, and images without `alt`."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        self._open += [tag] if tag.startswith("mj") else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = self._open[-1] if self._open else ""
        if tag in {"img", "mj-image"} and "alt" not in dict(attrs) and inside != "mj-attributes":
            self.wrong.append(f"<{tag}> without alt")
        if not tag.startswith("mj"):
            self.wrong += [] if tag in _HTML else [f"<{tag}> does not belong in a mail"]
        elif tag not in KNOWN:
            self.wrong.append(f"<{tag}> is no MJML element")
        elif inside and tag not in NESTING.get(inside, set()):
            self.wrong.append(f"<{tag}> cannot stand in <{inside}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass


def _markup(name: str, language: str, source: Source) -> Iterator[str]:
    parser = _Markup()
    parser.feed(source.mjml)
    yield from (f"mail/{name}.mjml: {wrong}" for wrong in parser.wrong)
    if "mj-title" not in source.mjml or "mj-preview" not in source.mjml:
        yield f"mail/{name}.mjml: has no <mj-title> or no <mj-preview>"
    if not parser.wrong and f'<html lang="{language}"' not in source.html:
        yield f"mail/{name}.mjml: <mjml> has no lang"


def _variables(templates: Templates, name: str, language: str, source: Source) -> Iterator[str]:
    env = templates.filler(language, html=False)
    for part, text in (("txt", source.subject), ("txt", source.text), ("mjml", source.html)):
        for wrong in undefined(env, text):
            yield f"mail/{name}.{part}: {wrong}"


def _filled(templates: Templates, name: str, language: str) -> Iterator[str]:
    """Fill it with samples of all sizes and look at what comes out."""
    composer = Composer(templates, templates.shop, samples.SETTINGS, _KEYS)
    for amount in samples.AMOUNTS:
        mail = samples.sample(name, amount, language)
        try:
            made = composer.compose(mail)
        except errors.EcrmError as exc:
            yield f"{exc} [{amount} sample]"
            continue
        for wrong in _looked_at(mail, made):
            yield f"mail/{name} ({language}, {amount} sample): {wrong}"


def _looked_at(mail: Mail, made: Message) -> Iterator[str]:
    encoded = len(quoted.quote(made.html).text)
    preheader = re.search(r"<div style=\"display:none[^>]*>(.*?)</div>", made.html, re.DOTALL)
    shown = preheader[1].partition("&#8199;")[0].strip() if preheader else ""
    if not made.subject:
        yield "has no subject"
    if len(shown) not in PREHEADER:
        yield f"has a preheader of {len(shown)} characters, not {PREHEADER[0]} to {PREHEADER[-1]}"
    if encoded > HTML_BUDGET:
        yield f"has {encoded} bytes of HTML, of {HTML_BUDGET} allowed"
    for left in sorted(_addresses(made.html) - set(made.text.split())):
        yield f"has a text part without the link {left}"
    if mail.lane >= 2 and "/u/" not in made.text:
        yield "has a text part without the way out"


def _addresses(html: str) -> set[str]:
    found = re.findall(r'href="(https?://[^"]*)"', html)
    return {address.replace("&amp;", "&") for address in found}


def sentences(catalogue: Catalogue) -> Iterator[str]:
    """Sentences without a translation, translations without a sentence, holes that differ; it
    knows the sentences of the templates that were read before.
    """
    if catalogue.language == SOURCE_LANGUAGE:
        return
    file = f"locale/{catalogue.language}/LC_MESSAGES/mail.po"
    for sentence in sorted(catalogue.missing):
        yield f"{file}: no translation of {sentence!r}"
    pairs: list[tuple[str, tuple[str, ...], tuple[str, ...]]]
    pairs = [(one, (one,), (text,)) for one, text in catalogue.sentences.items()]
    pairs += [(ids[0], ids, texts) for ids, texts in catalogue.plurals.items()]
    for sentence, originals, translated in pairs:
        if sentence not in catalogue.asked:
            yield f"{file}: no template says {sentence!r} any more"
        holes = {frozenset(_HOLES.findall(text)) for text in originals}
        if not all(frozenset(_HOLES.findall(text)) in holes for text in translated if text):
            yield f"{file}: other placeholders than in {sentence!r}"
