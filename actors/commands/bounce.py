"""`bounce`: take in a message that came back, for a mail server that pipes it here.

    ecrm  unix  -  n  n  -  -  pipe
      user=ecrm directory=/srv/ecrm argv=.venv/bin/python run.py bounce --to ${original_recipient}

It works while the service is down: the message is on disk when the exit status is 0. Whatever goes
wrong ends with 75 (EX_TEMPFAIL), so that the mail server keeps the message and tries again.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

import msgspec

from actors import spool
from actors.commands import Words
from actors.settings import Settings
from ecrm.errors import Misconfigured

# sysexits.h: what mail servers understand as "try again".
TEMPFAIL: Final = 75
# What Postfix (local, and pipe with a hint) and Exim tell about where the message was sent.
RECIPIENTS: Final = ("ORIGINAL_RECIPIENT", "RECIPIENT")


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    bounce = commands.add_parser("bounce", parents=[shared])
    bounce.add_argument(
        "--to",
        help="where it was sent; otherwise ORIGINAL_RECIPIENT, RECIPIENT, or what the message says",
    )
    bounce.set_defaults(run=run, failed=TEMPFAIL)


def run(options: argparse.Namespace, configured: Settings) -> int:
    if not configured.bounces and not configured.mail.unsubscribe:
        raise Misconfigured(
            "bounce: no address takes anything back: set mail.return_path_domain in the settings"
        )
    told = (os.environ.get(name, "") for name in RECIPIENTS)
    recipient = options.to or next(filter(None, told), "")
    folder = configured.spool
    try:
        raw = sys.stdin.buffer.read(spool.SIZE)
        if not raw.strip():
            raise Misconfigured("bounce: there is no message on stdin")
        name = spool.put(folder, recipient, raw)
        # What is beyond is not kept, and whoever writes it must not be cut off.
        while sys.stdin.buffer.read(spool.SIZE):
            pass
    except OSError as error:
        raise Misconfigured(f"bounce: cannot write to {folder}: {error.strerror}") from None
    if options.json:
        print(msgspec.json.encode({"file": f"new/{name}"}).decode())
    return 0
