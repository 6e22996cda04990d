"""`check`: read settings, programmes and templates; say what is wrong with them."""

from __future__ import annotations

import argparse
import sys

import msgspec

from actors import proof, templates
from actors.commands import Words
from actors.settings import Settings
from ecrm import programme, programmes
from ecrm.rules import Rules


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    check = commands.add_parser("check", parents=[shared])
    check.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    Rules(configured.shop, configured.limits, configured.programmes, configured.thresholds)
    known = templates.Templates(templates.ROOT, configured.shop)
    # A switched-off programme keeps its templates: it may come back with one word.
    used = [name for one in programmes.ALL for name in programme.templates_of(one)]
    if sys.stderr.isatty():
        print("Rendering every mail, in every language …", file=sys.stderr)
    found = proof.proofread(known, used)
    if options.json:
        print(msgspec.json.encode({"problems": found}).decode())
    else:
        for problem in found:
            print(problem)
    if found:
        print(f"ecrm: {len(found)} problems, named above", file=sys.stderr)
        return 1
    if not options.json:
        names = ", ".join(one.name for one in configured.programmes)
        for note in configured.idle:
            print(f"Note: {note}.")
        print(f"Settings, programmes ({names}) and templates are in order.")
    return 0
