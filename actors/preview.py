"""The gallery: all mails side by side on one page, to be looked at before customers do.

One self-contained HTML file that loads nothing from anywhere (its content security policy forbids
it, so pictures of a shop stay away) and runs nothing of a mail: each one sits in a sandboxed frame,
as wide as a telephone and as wide as a desk. Dark mode is shown on request and not by the viewer's
own settings, so both can be seen on any machine: the mail's media query is rewritten in the copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

import msgspec

from actors import proof, samples
from actors.compose import Composer, Message
from actors.templates import Templates
from ecrm.links import LinkKey, LinkKeys
from ecrm.mail import Mail

PHONE, DESK = 375, 700  # CSS pixels
DARK_QUERY = "@media (prefers-color-scheme: dark)"
NEVER, ALWAYS = "@media not all", "@media all"
# the customers of these regions write dates and amounts as most readers of the page do
LOCALES: Final = {"en": "en-GB", "fr": "fr-FR"}
_KEYS = LinkKeys(LinkKey(0, b"a preview's key, not a secret"))

_STYLE: Final = """
:root { color-scheme: light; --page: #f6f6f3; --ink: #1c1d20; --soft: #55585f; --line: #d5d5ce;
  --card: #ffffff; --link: #1d5c54; }
:root[data-theme=dark] { color-scheme: dark; --page: #101113; --ink: #ececef; --soft: #b6b8bf;
  --line: #3a3c42; --card: #1b1c1f; --link: #8fc7bf; }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -999em; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: var(--card); z-index: 1; }
header, nav, article > h2, article > p, section > * { margin: 0; padding-left: 1rem;
  padding-right: 1rem; }
header { padding-top: 1.25rem; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; line-height: 1.25; }
fieldset { display: inline-flex; gap: 1rem; margin: .75rem 1.5rem 0 0; padding: 0; border: 0; }
fieldset label { padding: .35rem 0; }
nav { padding-top: 1rem; padding-bottom: 1rem; }
nav summary { padding: .35rem 0; font-weight: 600; }
nav ol { margin: 0; padding: 0; list-style: none; columns: 10rem; }
nav li a { display: block; padding: .2rem 0; overflow-wrap: anywhere; }
main { padding-bottom: 4rem; }
article { padding: 2rem 0 1rem; border-top: 1px solid var(--line); }
article > h2 { font-size: 1.25rem; line-height: 1.3; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .9375rem; }
section { padding-top: 1.5rem; }
section h3 { font-size: 1.0625rem; line-height: 1.35; overflow-wrap: anywhere; }
:root[data-language=fr] section:not([lang=fr]), :root[data-language=en] section:not([lang=en])
  { display: none; }
section > .frames { display: flex; gap: 1.5rem; align-items: flex-start; overflow-x: auto;
  margin: 1rem 0 0; padding: 0 0 1rem; }
figure { flex: none; margin: 0; }
figcaption { padding: 0 1rem .35rem; color: var(--soft); font-size: .875rem; }
iframe { display: block; height: 40rem; border: 0; box-shadow: 0 0 0 1px var(--line);
  background: var(--card); }
section > details { padding-bottom: .5rem; }
details summary { padding: .35rem 0; cursor: pointer; }
pre { margin: 0; padding: 1rem; overflow-x: auto; background: var(--card);
  border: 1px solid var(--line); font: .875rem/1.5 Consolas, Menlo, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; }
/* Both frames and the list beside them: 375 + 700 + 304 px and what is between. */
@media (min-width: 90em) {
  body { display: grid; grid-template-columns: 19rem minmax(0, 1fr); }
  .side { position: sticky; top: 0; height: 100vh; overflow-y: auto; }
  nav ol { columns: auto; }
  main > article:first-child { border-top: 0; }
}
@media (min-width: 72em) {
  figcaption { padding-left: 0; }
  section > .frames { padding-left: 1rem; }
}
"""
_SCRIPT: Final = """
const root = document.documentElement;
const frames = new Map([...document.querySelectorAll("iframe")].map(f => [f, f.srcdoc]));
const fit = frame => {
  const page = frame.contentDocument;
  if (page && page.body) frame.style.height = page.documentElement.scrollHeight + "px";
};
frames.forEach((_, frame) => frame.addEventListener("load", () => fit(frame)));
addEventListener("load", () => frames.forEach((_, frame) => fit(frame)));
document.querySelectorAll("input").forEach(input => input.addEventListener("change", () => {
  root.dataset[input.name] = input.value;
  if (input.name !== "theme") return;
  const dark = input.value === "dark";
  frames.forEach((page, frame) => {
    frame.srcdoc = dark ? page.replaceAll("@media not all", "@media all")
      .replaceAll("color-scheme: light", "color-scheme: dark") : page;
  });
}));
if (matchMedia("(max-width: 63.99em)").matches) document.querySelector("nav details").open = false;
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


class Picture(msgspec.Struct, frozen=True, gc=False):
    """A mail as it is shown: its anchor, its number in mission §8, and each language's message."""

    anchor: str
    number: str
    mail: Mail
    messages: tuple[tuple[str, Message], ...]


def gallery(templates: Templates, mails: Iterable[tuple[str, Mail]]) -> str:
    """The whole page, with every mail in every language that there is a catalogue for; each mail
    comes with its number (`"k07"`). Raises what the composer raises.
    """
    composer = Composer(templates, templates.shop, samples.SETTINGS, _KEYS)
    pictures = [_picture(templates, composer, number, mail) for number, mail in mails]
    name = escape(templates.shop.name)
    articles = "".join(_article(picture) for picture in pictures)
    return (
        f'<!doctype html>\n<html lang="en" data-theme="light" data-language="all">\n<head>'
        f'<meta charset="utf-8"><title>Mails of {name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body>"
        f'<a class="skip" href="#mails">Skip to the mails</a>\n<div class="side"><header>'
        f"<h1>Mails of {name}</h1>{_choices(sorted(templates.catalogues))}</header>\n"
        f"{_index(pictures)}</div>\n"
        f'<main id="mails" tabindex="-1">{articles}</main>\n'
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _picture(templates: Templates, composer: Composer, number: str, mail: Mail) -> Picture:
    def composed(language: str) -> Message:
        locale = LOCALES.get(language, language)
        return composer.compose(msgspec.structs.replace(mail, locale=locale))

    return Picture(
        anchor=re.sub(r"[^a-z0-9]+", "-", f"{number}-{mail.template}".lower()),
        number=number,
        mail=mail,
        messages=tuple((one, composed(one)) for one in sorted(templates.catalogues)),
    )


def _choices(languages: list[str]) -> str:
    def choice(name: str, label: str, values: Iterable[str]) -> Iterator[str]:
        yield f'<fieldset><legend class="soft">{label}</legend>'
        for at, value in enumerate(values):
            checked = "" if at else " checked"
            field = f'<input type="radio" name="{name}" value="{value}"{checked}>'
            yield f"<label>{field} {value}</label>"
        yield "</fieldset>"

    return "".join(
        (
            *choice("theme", "Theme", ("light", "dark")),
            *choice("language", "Language", ("all", *languages)),
        )
    )


def _index(pictures: list[Picture]) -> str:
    entries = "".join(
        f'<li><a href="#{one.anchor}">{escape(one.number)} {escape(one.mail.template)}</a></li>'
        for one in pictures
    )
    summary = f"<summary>{len(pictures)} mails</summary>"
    return f'<nav aria-label="Mails"><details open>{summary}<ol>{entries}</ol></details></nav>'


def _article(picture: Picture) -> str:
    mail = picture.mail
    title = f"{picture.number} {mail.template}"
    sections = "".join(_section(picture, *one) for one in picture.messages)
    return (
        f'\n<article id="{picture.anchor}"><h2>{escape(title)}</h2>'
        f'<p class="soft">{escape(mail.mail_class)}, lane {mail.lane}</p>{sections}</article>'
    )


def _section(picture: Picture, language: str, message: Message) -> str:
    page = escape(_shown(message.html))
    title = escape(f"{picture.number} {picture.mail.template}, {language}")
    text = f"<summary>Text part</summary><pre>{escape(message.text)}</pre>"
    frames = "".join(
        f"<figure><figcaption>{name}, {width} px</figcaption>"
        f'<iframe width="{width}" title="{title}, {name}" loading="lazy" tabindex="-1"'
        f' sandbox="allow-same-origin" srcdoc="{page}"></iframe></figure>'
        for name, width in (("telephone", PHONE), ("desk", DESK))
    )
    return (
        f'<section lang="{language}"><h3>{escape(message.subject)}</h3>'
        f'<p class="soft">{escape(proof.preheader_of(message.html))}</p>'
        f'<div class="frames" role="region" tabindex="0" aria-label="{title}">{frames}</div>'
        f"<details>{text}</details></section>"
    )


def _shown(html: str) -> str:
    """The mail by day, and with links that open nowhere: a sandbox lets no window open."""
    by_day = html.replace(DARK_QUERY, NEVER).replace("light dark", "light")
    return by_day.replace("<head>", '<head><base target="_blank">', 1)
