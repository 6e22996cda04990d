"""The look of the pages: templates, languages, the shop's colours, the few files beside them.

Pages are Jinja templates under `templates/web/pages`, filled with everything escaped; anything
undefined is an error. Their sentences are English, and translated by `web.po` of each language. The
demo shop has a folder and a catalogue of its own, `demo`. The shop's colour comes as a style sheet
of its own, because a page may hold no style itself (CSP).
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

import jinja2
import msgspec
from babel import Locale
from quart import Response

from actors import compiled, formats
from actors.templates import SOURCE_LANGUAGE, Catalogue
from ecrm.shop import Shop, brand

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}

# All languages read a page alike.
_READ: Final = compiled.Compiled()


class Look:
    """`pages` is a folder of templates and `words` the name of their catalogues. Raises
    `errors.Misconfigured` on a catalogue that cannot be read.
    """

    def __init__(self, root: Path, shop: Shop, pages: str = "pages", words: str = "web") -> None:
        self.shop = shop
        self.catalogues = {SOURCE_LANGUAGE: Catalogue(SOURCE_LANGUAGE)}
        for path in sorted((root / "locale").glob(f"*/LC_MESSAGES/{words}.po")):
            language = path.parent.parent.name
            self.catalogues[language] = Catalogue(language, path)
        self.folder = root / "web" / pages
        self.files = {
            file.name: (file.read_bytes(), TYPES[file.suffix])
            for file in sorted((root / "web" / "static").iterdir())
            if file.suffix in TYPES
        }
        self._pages = {name: self._filler(one) for name, one in self.catalogues.items()}

    @property
    def languages(self) -> dict[str, str]:
        """What each language calls itself."""
        names = {code: Locale.parse(code).get_display_name(code) for code in self.catalogues}
        return {code: (name or code).capitalize() for code, name in names.items()}

    def language_of(self, *wanted: str) -> str:
        """The first of these locales that there are pages for, then the shop's own, then English:
        `fr-FR`, `fr_FR` and `fr` are one.
        """
        for text in (*wanted, self.shop.locale):
            locale = formats.parse_locale(text) if text else None
            if locale is not None and locale.language in self.catalogues:
                return str(locale.language)
        return SOURCE_LANGUAGE

    def page(self, name: str, language: str, status: int = 200, **values: object) -> Response:
        """A page, filled; dates and sums in it are written as the language does."""
        written = formats.formats_of(Locale.parse(language), self.shop.timezone)
        filled = self._pages[language].get_template(f"{name}.html")
        text = filled.render(shop=self.shop, lang=language, formats=written, **values)
        return Response(text, status, content_type="text/html; charset=utf-8")

    def brand_css(self) -> str:
        colours = brand(self.shop.colour)
        rules = [f"--{name.replace('_', '-')}: {value};" for name, value in _fields(colours)]
        return ":root { " + " ".join(rules) + " }\n"

    def icon(self) -> str:
        """A picture for the tab: the shop's initial in its colour (SVG)."""
        colours, initial = brand(self.shop.colour), self.shop.name.strip()[:1].upper()
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
            f'<rect width="32" height="32" rx="6" fill="{colours.colour}"/>'
            '<text x="16" y="23" text-anchor="middle" font-family="sans-serif" font-weight="700" '
            f'font-size="20" fill="{colours.on_colour}">{escape(initial)}</text></svg>'
        )

    def _filler(self, catalogue: Catalogue) -> jinja2.Environment:
        filler = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.folder),
            bytecode_cache=_READ,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filler.policies["ext.i18n.trimmed"] = True
        filler.globals |= {"gettext": catalogue.gettext, "_": catalogue.gettext}
        return filler


def _fields(value: msgspec.Struct) -> list[tuple[str, str]]:
    return [(name, str(text)) for name, text in msgspec.structs.asdict(value).items()]
