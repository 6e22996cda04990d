"""`preview`: all mails in all languages, on one page."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from actors import preview, samples, templates
from actors.commands import Words
from actors.settings import Settings


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    show = commands.add_parser("preview", parents=[shared])
    show.add_argument("--out", type=Path, default=Path("var/preview.html"), help="the page")
    show.add_argument("--open", action="store_true", help="and open it in a browser")
    show.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    known = templates.Templates(templates.ROOT, configured.shop)
    page = preview.gallery(known, samples.of_programmes(configured.programmes))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page, encoding="utf-8")
    print(f"The mails are on one page: {options.out.resolve().as_uri()}")
    if options.open and not webbrowser.open(options.out.resolve().as_uri()):
        print("ecrm: there is no browser to open it in; open that address yourself")
    return 0
