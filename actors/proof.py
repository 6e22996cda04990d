"""Proofreading: what is wrong with a template is said here, not in a customer's inbox.

`proofread` reads every template in every language, follows what it asks for through the types of
`ecrm.mail.Values`, and fills it with samples of all sizes. MJML's compiler takes an unknown tag
without a word and adds no `alt`, so both are looked for here (delivery §2.3, rules 4 to 7).
Each complaint begins with the file, and with the line where one can be known: a template is put
together once more with marks of where each line came from (`_Marks`).
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Collection, Iterator
from functools import lru_cache
from html import unescape
from html.parser import HTMLParser
from typing import Final

import jinja2
import msgspec
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from actors import compiled, samples
from actors.compose import Composer, Message
from actors.templates import SOURCE_LANGUAGE, Catalogue, Source, Templates
from actors.variables import undefined
from ecrm import errors
from ecrm.delivery import quoted
from ecrm.links import LinkKey, LinkKeys
from ecrm.mail import Mail

HTML_BUDGET = 90_000  # encoded; Gmail clips near 102 kB and hides the way out
PREHEADER = range(40, 111)
LAYOUT = "parts/layout.mjml"
_MARK = re.compile("\x01([^\x02]*):(\\d+)\x02")
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


def proofread(templates: Templates, used: Collection[str]) -> list[str]:
    """Everything that is wrong, one sentence each; an empty list is a clean proof. `used` are the
    templates that programmes ask for.
    """
    found = [*pairs(templates), *steps(templates, used)]
    for language in templates.catalogues:
        for name in templates.names:
            found += template(templates, name, language)
    for catalogue in templates.catalogues.values():
        found += sentences(templates, catalogue)
    return list(dict.fromkeys(found))


def pairs(templates: Templates) -> Iterator[str]:
    """A mail is two files."""
    for file in sorted(templates.folder.glob("*/*.txt")):
        if file.parent.name != "parts" and not file.with_suffix(".mjml").exists():
            yield f"mail/{file.parent.name}/{file.name}: has no .mjml beside it"
    for name in templates.names:
        if not (templates.folder / f"{name}.txt").exists():
            yield f"mail/{name}.mjml: has no text part, subject and preheader ({name}.txt)"


def steps(templates: Templates, used: Collection[str]) -> Iterator[str]:
    """A step has its template, and a template its step."""
    for name in sorted({*used} - {*templates.names}):
        yield f"mail/{name}.mjml: a programme sends it, and it is not there"
    for name in sorted({*templates.names} - {*used}):
        yield f"mail/{name}.mjml: no programme sends it"


def template(templates: Templates, name: str, language: str) -> list[str]:
    """What is wrong with one template in one language."""
    if not (templates.folder / f"{name}.txt").exists():
        return []
    try:
        source = templates.source(name, language)
        traces = [_traced(templates, f"{name}.{part}", language) for part in ("txt", "mjml")]
        wrong = [*_markup(name, language, source, traces[1])]
        wrong = wrong or [*_variables(templates, language, traces)]
    except errors.Misconfigured as exc:
        return [str(exc)]
    except ValueError as exc:
        return [f"mail/{name}.mjml: is no MJML: {exc}"]
    return wrong or [*_filled(templates, name, language, traces)]


class _Marks(Extension):
    """Marks where each line of a file begins, and where it goes on after a tag. Sentences to be
    translated stay as they are.
    """

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        before, statement = "block_end", ""
        for token in stream:
            if before == "block_begin":
                statement = token.value
            if token.type == "data" and statement not in {"trans", "pluralize"}:
                yield Token(token.lineno, "data", self._marked(token, stream.name or "", before))
            else:
                yield token
            before = token.type

    def _marked(self, token: Token, name: str, before: str) -> str:
        first, *more = token.value.split("\n")
        lines = enumerate(more, token.lineno + 1)
        begins = f"\x01{name}:{token.lineno}\x02" if before == "block_end" else ""
        return f"{begins}{first}" + "".join(f"\n\x01{name}:{n}\x02{line}" for n, line in lines)


class _Trace(msgspec.Struct, frozen=True):
    """A template put together, and for each of its lines the file and line it came from."""

    file: str
    text: str
    places: tuple[str, ...]

    def place(self, line: int) -> str:
        return self.places[line - 1] if len(self.places) >= line > 0 else f"mail/{self.file}"


# What is read with marks is not what is read without.
_READ: Final = compiled.Compiled()


@lru_cache(maxsize=16)  # reading the parts takes longer than using them
def _marking(press: jinja2.Environment) -> jinja2.Environment:
    return press.overlay(extensions=[_Marks], bytecode_cache=_READ)


def _traced(templates: Templates, file: str, language: str) -> _Trace:
    marked = _marking(templates.press(language)).get_template(file).render(subject="", preheader="")
    text, own, place = "", "", f"mail/{file}"
    places: list[str] = []
    for at, piece in enumerate(_MARK.split(marked)):
        if at % 3 == 0:
            text += piece + "\n"
            places += [place] * (piece.count("\n") + 1)
        elif at % 3 == 1:
            part = piece
        else:
            own = piece if part == file else own
            inside = own and part not in {file, LAYOUT}
            place = f"mail/{file}:{own} ({part}:{piece})" if inside else f"mail/{part}:{piece}"
    return _Trace(file, text, tuple(places))


class _Markup(HTMLParser):
    """Tags that are unknown, not closed or in the wrong place, and images without `alt`, each with
    its line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[tuple[int, str]] = []
        self._open: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        self._open += [(tag, self.getpos()[0])] if tag.startswith("mj") else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = self._open[-1][0] if self._open else ""
        if tag in {"img", "mj-image"} and "alt" not in dict(attrs) and inside != "mj-attributes":
            self._say(f"<{tag}> without alt")
        if not tag.startswith("mj"):
            if tag not in _HTML:
                self._say(f"<{tag}> does not belong in a mail")
        elif tag not in KNOWN:
            self._say(f"<{tag}> is no MJML element")
        elif inside and tag not in NESTING.get(inside, set()):
            self._say(f"<{tag}> cannot stand in <{inside}>")

    def handle_endtag(self, tag: str) -> None:
        if tag not in [name for name, _ in self._open]:
            return
        while (last := self._open.pop())[0] != tag:
            self._say(f"<{last[0]}> is not closed", last[1])

    def _say(self, wrong: str, line: int = 0) -> None:
        self.wrong.append((line or self.getpos()[0], wrong))


def _markup(name: str, language: str, source: Source, trace: _Trace) -> Iterator[str]:
    parser = _Markup()
    parser.feed(trace.text)
    yield from (f"{trace.place(line)}: {wrong}" for line, wrong in parser.wrong)
    if "mj-title" not in source.mjml or "mj-preview" not in source.mjml:
        yield f"mail/{name}.mjml: has no <mj-title> or no <mj-preview>"
    if not parser.wrong and f'<html lang="{language}"' not in source.html:
        yield f"{trace.place(2)}: <mjml> has no lang"


def _variables(templates: Templates, language: str, traces: list[_Trace]) -> Iterator[str]:
    env = templates.filler(language, html=False)
    for trace in traces:
        try:
            for line, wrong in undefined(env, trace.text):
                yield f"{trace.place(line)}: {wrong}"
        except jinja2.TemplateSyntaxError as exc:
            yield f"{trace.place(exc.lineno)}: {exc.message}"
            return


def _filled(templates: Templates, name: str, language: str, traces: list[_Trace]) -> Iterator[str]:
    """Fill it with samples of all sizes and look at what comes out."""
    composer = Composer(templates, templates.shop, samples.SETTINGS, _KEYS)
    for amount in samples.AMOUNTS:
        mail = samples.sample(name, amount, language)
        shown = f"[{language}, {amount} sample]"
        try:
            made = composer.compose(mail)
        except errors.EcrmError as exc:
            values = composer.values(mail, composer.links(mail))
            place = _place_of_failure(templates.filler(language, html=True), values, traces)
            yield f"{place or f'mail/{name}'}: {exc.__cause__ or exc} {shown}"
            continue
        for file, wrong in _looked_at(mail, made):
            yield f"mail/{name}.{file}: {wrong} {shown}"


def _place_of_failure(
    env: jinja2.Environment, values: dict[str, object], traces: list[_Trace]
) -> str:
    """Where a template breaks off, found by filling it again with its lines known."""
    for trace in traces:
        try:
            env.from_string(trace.text).render(values)
        except (jinja2.TemplateError, TypeError, ValueError, LookupError) as exc:
            frames = traceback.extract_tb(exc.__traceback__)
            lines = [
                one.lineno or 0 for one in frames if one.filename in {"<template>", "<unknown>"}
            ]
            return trace.place(lines[-1] if lines else 0)
    return ""


def _looked_at(mail: Mail, made: Message) -> Iterator[tuple[str, str]]:
    """The file's ending, with the line where it is known, and what is wrong with what it makes."""
    encoded = len(quoted.quote(made.html).text)
    shown = preheader_of(made.html)
    fitting = f"{PREHEADER[0]} to {PREHEADER[-1]}"
    if not made.subject:
        yield "txt:1", "has no subject"
    if len(shown) not in PREHEADER:
        yield "txt:2", f"has a preheader of {len(shown)} characters, not {fitting}"
    if shown == made.subject:
        yield "txt:2", "has a preheader that only repeats the subject"
    if encoded > HTML_BUDGET:
        yield "mjml", f"has {encoded} bytes of HTML, of {HTML_BUDGET} allowed"
    before, hole, _ = made.text.partition("\n\n\n")
    if hole:
        yield "txt", f"has a hole after {before.splitlines()[-1]!r}"
    for left in sorted(_addresses(made.html) - set(made.text.split())):
        yield "txt", f"has a text part without the link {left}"
    if (mail.lane >= 2 or mail.stranger) and "/u/" not in made.text:
        yield "txt", "has a text part without the way out"


def preheader_of(html: str) -> str:
    """What a mailbox shows after the subject, without the blanks that follow it."""
    found = re.search(r'<div style="display:none[^>]*>(.*?)</div>', html, re.DOTALL)
    return unescape(found[1].partition("&#8199;")[0].strip()) if found else ""


def _addresses(html: str) -> set[str]:
    found = re.findall(r'href="(https?://[^"]*)"', html)
    return {address.replace("&amp;", "&") for address in found}


def sentences(templates: Templates, catalogue: Catalogue) -> Iterator[str]:
    """Sentences without a translation, translations without a sentence, holes that differ; it
    knows the sentences of the templates that were read before.
    """
    if catalogue.language == SOURCE_LANGUAGE:
        return
    file = f"locale/{catalogue.language}/LC_MESSAGES/mail.po"
    for sentence in sorted(catalogue.missing):
        yield f"{_said_in(templates, sentence)}: no translation of {sentence!r} in {file}"
    entries: list[tuple[str, tuple[str, ...], tuple[str, ...]]]
    entries = [(one, (one,), (text,)) for one, text in catalogue.sentences.items()]
    entries += [(ids[0], ids, texts) for ids, texts in catalogue.plurals.items()]
    for sentence, originals, translated in entries:
        place = f"{file}:{catalogue.lines[sentence]}"
        if sentence not in catalogue.asked:
            yield f"{place}: no template says {sentence!r} any more"
        holes = {frozenset(_HOLES.findall(text)) for text in originals}
        if not all(frozenset(_HOLES.findall(text)) in holes for text in translated if text):
            yield f"{place}: other placeholders than in {sentence!r}"


def _said_in(templates: Templates, sentence: str) -> str:
    """The first file and line that says it; a sentence over several lines has no line."""
    for file in sorted(templates.folder.glob("*/*.*")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if sentence in line:
                return f"mail/{file.relative_to(templates.folder).as_posix()}:{number}"
    return "mail"
