"""Mail templates: found, translated, compiled once, ready to be filled for each mail.

A template is read twice. Once per language, `[% … %]` and `[[ … ]]` put the parts together and
translate the sentences, and MJML becomes HTML; what is left, `{{ … }}` and `{% … %}`, runs for
each mail in a sandbox in which anything undefined is an error. So a mail costs one Jinja render
and no MJML, and a missing translation is known before anybody writes to a customer (`proof.py`).
Catalogues are gettext `.po` files read as they are; English is the source language.
`templates/mail/README.md` tells an author how to write one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache, partial
from gettext import c2py
from io import BytesIO
from pathlib import Path
from typing import Final

import jinja2
import msgspec
from babel import numbers
from babel.messages import Catalog
from babel.messages.pofile import PoFileError, read_po
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer
from markupsafe import escape
from mjml import mjml2html

from actors import compiled
from actors.formats import Formats
from ecrm import errors, matters, shop
from ecrm.delivery import quoted
from ecrm.delivery.quoted import Quoted
from ecrm.mail import (
    Proposal,
    ShownCart,
    ShownLine,
    ShownOffer,
    ShownOrder,
    ShownParcel,
    ShownPerson,
)
from ecrm.moment import Instant
from ecrm.shop import Shop

SOURCE_LANGUAGE = "en"
# What comes with the service, for a shop that has none of its own.
ROOT: Final = Path(__file__).parent.parent / "templates"
_HEAD = re.compile(
    r"Subject: (?P<subject>[^\n]+)\nPreheader: (?P<preheader>[^\n]+)\n\n(?P<text>.+)", re.DOTALL
)

_OWN = frozenset(
    (
        *(ShownPerson, ShownLine, ShownCart, ShownOrder, ShownParcel, ShownOffer, Proposal, Shop),
        *(matters.Digest, *matters.NAMES),
    )
)
_ABSENT = object()
# What MJML's compiler makes of a no-break space and its like in an attribute.
_SPELT = re.compile(r"\\u\{([0-9a-f]{1,6})\}")
_HERE = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])[:/]")
_HOLES = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})")
# All presses read a file alike.
_READ: Final = compiled.Compiled()


class Catalogue:
    """One language's sentences, and which of them were asked for."""

    def __init__(self, language: str, path: Path | None = None) -> None:
        self.language = language
        self.path = path
        self.sentences: dict[str, str] = {}
        self.plurals: dict[tuple[str, str], tuple[str, ...]] = {}
        self.lines: dict[str, int] = {}
        self.asked: set[str] = set()
        self.missing: set[str] = set()
        self.form: Callable[[int], int] = c2py("n != 1")
        if path is not None:
            self._read(path)

    def gettext(self, sentence: str) -> str:
        self.asked.add(sentence)
        translated = self.sentences.get(sentence, "")
        if not translated and self.language != SOURCE_LANGUAGE:
            self.missing.add(sentence)
        return translated or sentence

    def ngettext(self, one: str, many: str, number: str) -> str:
        """The source of a choice made for each mail; `number` is an expression of the template."""
        self.asked.add(one)
        forms = self.plurals.get((one, many), ())
        if not all(forms) or not forms:
            forms = (one, many)
            if self.language != SOURCE_LANGUAGE:
                self.missing.add(one)
        choice = "".join(
            f"{{% {'elif' if form else 'if'} {number}|plural_form == {form} %}}{text}"
            for form, text in enumerate(forms[:-1])
        )
        return f"{choice}{{% else %}}{forms[-1]}{{% endif +%}}"

    def _read(self, path: Path) -> None:
        try:
            catalogue = _parsed(self.language, path.read_bytes())
        except (PoFileError, OSError, ValueError) as exc:
            raise errors.Misconfigured(f"{path}: {exc}") from exc
        self.form = c2py(catalogue.plural_expr)
        for entry in catalogue:
            if entry.fuzzy or not entry.id:
                continue
            if isinstance(entry.id, str):
                self.sentences[entry.id] = str(entry.string)
            else:
                one, many = entry.id
                self.plurals[one, many] = tuple(entry.string or ())
            self.lines[entry.id if isinstance(entry.id, str) else entry.id[0]] = entry.lineno or 1


@lru_cache(maxsize=16)
def _parsed(language: str, written: bytes) -> Catalog:
    """Parsed once for all that read the same file; nobody changes it."""
    return read_po(BytesIO(written), locale=language, abort_invalid=True)


class Source(msgspec.Struct, frozen=True):
    """A template in one language, put together: what is left to fill for each mail."""

    subject: str
    preheader: str
    text: str
    mjml: str

    @property
    def html(self) -> str:
        """Raises ValueError where the MJML is no XML."""
        return _SPELT.sub(lambda spelt: chr(int(spelt[1], 16)), mjml2html(self.mjml, fonts={}))


class Compiled(msgspec.Struct, frozen=True):
    """Ready to fill. What never changes in the two bodies is encoded for the post already."""

    subject: jinja2.Template
    text: jinja2.Template
    html: jinja2.Template
    known_text: Mapping[str, Quoted]
    known_html: Mapping[str, Quoted]


class Templates:
    """All mail templates under `root`, which holds `mail/` and `locale/`, for one shop.

    Raises ValueError on a colour of the shop's that is none.
    """

    def __init__(self, root: Path, shop_: Shop) -> None:
        self.shop = shop_
        self.constants: dict[str, msgspec.Struct] = {
            "shop": shop_,
            "brand": shop.brand(shop_.colour),
        }
        self.folder = root / "mail"
        self.catalogues = _catalogues(root / "locale")
        self.names = sorted(
            file.relative_to(self.folder).with_suffix("").as_posix()
            for file in self.folder.glob("*/*.mjml")
            if file.parent.name != "parts"
        )
        self._sources: dict[tuple[str, str], Source] = {}
        self._compiled: dict[tuple[str, str], Compiled] = {}

    def language_of(self, *wanted: str) -> str:
        """The first of these languages that there is a catalogue for, else English."""
        return next((one for one in wanted if one in self.catalogues), SOURCE_LANGUAGE)

    def find(self, name: str, language: str) -> Compiled:
        """Compile on first use. Raises errors.Rejected on a template that is not there and
        errors.Misconfigured on one that cannot be compiled.
        """
        found = self._compiled.get((name, language))
        if found is None:
            if name not in self.names:
                raise errors.Rejected("no_template", f"there is no template {name!r}", name)
            found = self._compiled[name, language] = self._compile(name, language)
        return found

    def source(self, name: str, language: str) -> Source:
        """Put together on first use. Raises errors.Misconfigured, naming the file."""
        found = self._sources.get((name, language))
        if found is None:
            found = self._sources[name, language] = self._put_together(name, language)
        return found

    def _put_together(self, name: str, language: str) -> Source:
        head = _HEAD.fullmatch(self._first_read(f"{name}.txt", language, {}))
        if head is None:
            why = "begins with Subject:, Preheader:, an empty line and the text"
            raise errors.Misconfigured(f"mail/{name}.txt: a text part {why}")
        texts = {part: head[part].strip() for part in ("subject", "preheader")}
        return Source(
            text=re.sub(r"\n{3,}", "\n\n", head["text"].strip()) + "\n",
            mjml=self._first_read(
                f"{name}.mjml", language, {part: _unquoted(text) for part, text in texts.items()}
            ),
            **texts,
        )

    def filler(self, language: str, *, html: bool) -> SandboxedEnvironment:
        return (self._html_fillers if html else self._text_fillers)[language]

    @cached_property
    def _presses(self) -> dict[str, jinja2.Environment]:
        return {one: _press(self.folder, this) for one, this in self.catalogues.items()}

    @cached_property
    def _html_fillers(self) -> dict[str, SandboxedEnvironment]:
        return {one: _filler(catalogue, html=True) for one, catalogue in self.catalogues.items()}

    @cached_property
    def _text_fillers(self) -> dict[str, SandboxedEnvironment]:
        return {one: _filler(catalogue, html=False) for one, catalogue in self.catalogues.items()}

    def press(self, language: str) -> jinja2.Environment:
        """What puts the parts of a template together and translates them."""
        return self._presses[language]

    def _first_read(self, file: str, language: str, values: dict[str, str]) -> str:
        try:
            return self.press(language).get_template(file).render(values)
        except jinja2.TemplateSyntaxError as exc:
            raise errors.Misconfigured(f"mail/{exc.name}:{exc.lineno}: {exc.message}") from exc
        except (jinja2.TemplateError, OSError) as exc:
            raise errors.Misconfigured(f"mail/{file}: {exc}") from exc

    def _settled(self, env: SandboxedEnvironment, source: str) -> nodes.Template:
        settled = _Settle(self.constants, html=bool(env.autoescape)).visit(env.parse(source))
        assert isinstance(settled, nodes.Template)
        return settled

    def _compile(self, name: str, language: str) -> Compiled:
        source = self.source(name, language)
        text_env, html_env = self.filler(language, html=False), self.filler(language, html=True)
        try:
            text = self._settled(text_env, source.text)
            html = self._settled(html_env, source.html)
            return Compiled(
                known_text=_encoded(text),
                known_html=_encoded(html),
                subject=text_env.from_string(source.subject),
                text=text_env.from_string(text),
                html=html_env.from_string(html),
            )
        except (jinja2.TemplateError, ValueError) as exc:
            raise errors.Misconfigured(f"mail/{name} ({language}): {exc}") from exc


class _Settle(NodeTransformer):
    """Write what is the same in every mail, `shop` and `brand`, into the template itself."""

    def __init__(self, constants: Mapping[str, msgspec.Struct], *, html: bool) -> None:
        self._constants = constants
        self._html = html

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:  # noqa: N802 - jinja2 names it
        """A field that does not exist stays, to fail as anything undefined does."""
        owner = self._constants.get(node.node.name) if isinstance(node.node, nodes.Name) else None
        if owner is None or node.attr not in owner.__struct_fields__:
            return self.generic_visit(node)
        return nodes.Const(getattr(owner, node.attr), lineno=node.lineno)

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802 - jinja2 names it
        """Join what has become one text."""
        joined: list[nodes.Expr] = []
        for child in node.nodes:
            settled = self.visit(child)
            if isinstance(settled, nodes.Const):
                text = str(escape(settled.value)) if self._html else str(settled.value)
                settled = nodes.TemplateData(text, lineno=settled.lineno)
            before = joined[-1] if joined else None
            if isinstance(settled, nodes.TemplateData) and isinstance(before, nodes.TemplateData):
                joined[-1] = nodes.TemplateData(before.data + settled.data, lineno=before.lineno)
            else:
                joined.append(settled)
        return nodes.Output(joined, lineno=node.lineno)


class _Filler(SandboxedEnvironment):
    """The sandbox is for templates a shop brings along; our own values need no search."""

    def getattr(self, obj: object, attribute: str) -> object:
        if type(obj) in _OWN and attribute[:1] != "_":
            found: object = getattr(obj, attribute, _ABSENT)
            if found is not _ABSENT:
                return found
        return super().getattr(obj, attribute)


def _unquoted(text: str) -> str:
    """Without the double quotes that MJML's compiler spoils where it repeats a title as a label."""
    pieces = _HOLES.split(text)
    pieces[::2] = (piece.replace('"', "&quot;") for piece in pieces[::2])
    pieces[1::2] = (piece.replace('"', "'") for piece in pieces[1::2])
    return "".join(pieces)


def _catalogues(folder: Path) -> dict[str, Catalogue]:
    found = {SOURCE_LANGUAGE: Catalogue(SOURCE_LANGUAGE)}
    for path in sorted(folder.glob("*/LC_MESSAGES/mail.po")):
        language = path.parent.parent.name
        found[language] = Catalogue(language, path)
    return found


def _press(folder: Path, catalogue: Catalogue) -> jinja2.Environment:
    """What puts a template together, once."""
    press = jinja2.Environment(  # noqa: S701 - it makes template source; each mail escapes
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        loader=jinja2.FileSystemLoader(folder),
        bytecode_cache=_READ,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    press.policies["ext.i18n.trimmed"] = True
    press.globals |= {"lang": catalogue.language, "colon": catalogue.gettext(":")}
    press.globals |= {"gettext": catalogue.gettext, "ngettext": catalogue.ngettext}
    return press


def _filler(catalogue: Catalogue, *, html: bool) -> SandboxedEnvironment:
    """What fills a template for one mail."""
    env = _Filler(
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters.update(money=_money, date=_date, time=_time, day=_day, web=_web, image=_image)
    env.filters.update(pictured=_pictured, reduced=_reduced)
    env.filters["worth"] = _worth_in(catalogue.language)
    env.filters["plural_form"] = catalogue.form
    return env


def _encoded(template: nodes.Template) -> dict[str, Quoted]:
    return {node.data: quoted.quote(node.data) for node in template.find_all(nodes.TemplateData)}


def _formats(context: Context) -> Formats:
    found = context["formats"]
    assert isinstance(found, Formats)
    return found


@jinja2.pass_context
def _money(context: Context, amount: int, currency: str) -> str:
    return _formats(context).money(amount, currency)


@jinja2.pass_context
def _date(context: Context, at: Instant) -> str:
    return _formats(context).date(at)


@jinja2.pass_context
def _time(context: Context, at: Instant) -> str:
    return _formats(context).time(at)


@jinja2.pass_context
def _day(context: Context, at: Instant) -> str:
    return _formats(context).day(at)


def _worth_in(language: str) -> Callable[[Context, ShownOffer], str]:
    """What an offer takes off, in one word: `10%`, or a sum of money."""
    percents = lru_cache(maxsize=128)(partial(numbers.format_percent, locale=language))

    @jinja2.pass_context
    def worth(context: Context, offer: ShownOffer) -> str:
        if offer.percent:
            return percents(offer.percent / 100)
        return _formats(context).money(offer.amount, offer.currency)

    return worth


def _reduced(price: int, offer: ShownOffer | None, currency: str) -> int:
    """What is left of a price with an offer; all of it where the offer takes nothing off: below its
    least sum, or in another currency. Half a minor unit stays, so that nobody is promised more.
    """
    if offer is None or offer.minimum > price or offer.currency not in {"", currency}:
        return price
    if offer.percent:
        return (price * (100 - offer.percent) + 50) // 100
    return max(price - offer.amount, 0)


def _web(address: str) -> str:
    return address if address.startswith(("https://", "http://")) else ""


def _image(address: str) -> str:
    """Not of http, which mail programs do not load; of this machine, where the demo shop is, any
    browser does.
    """
    here = _HERE.match(address) is not None
    return address if here or address.startswith("https://") else ""


def _pictured(lines: Iterable[ShownLine | Proposal]) -> bool:
    return any(_image(line.image_url) for line in lines)
