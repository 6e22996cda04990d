"""Caution: what a command is about to do that is not easily undone, said before it is done."""

from __future__ import annotations

import re
from typing import Final

from actors.asked import Plain

_YES: Final = re.compile(r"\s--yes\s*$")

# By op; a pause of a part of the mails is ended as easily as it was begun.
_DOES: Final = {
    "release": "{customer} takes turns again, and what became due meanwhile is done now",
    "requeue": "mail {mail} is sent again, though it was given up",
    "cancel-mail": "mail {mail} is taken out of the queue and will not be sent",
    "pause all": "no mail leaves any more, codes and order confirmations neither, until resume all",
    "drain": "no mail leaves any more, also after a restart, until resume all",
    "unsuppress": "the address of {customer} is written to again",
    "unsuppress another": "{name}, which bounced or complained, is written to again",
    "revoke-key": "key {name} opens nothing from now on, and who came in with it is put out",
    "send": "the event counts for {customer} as if the shop had said it; mails may follow",
}


def agreed(command: str) -> tuple[str, bool]:
    """The command without the `--yes` at its end, and whether it was there."""
    bare = _YES.sub("", command)
    return bare, bare != command


def caution(request: Plain) -> str:
    """What this will do, in a sentence; empty where nothing has to be asked."""
    op = str(request["op"])
    if op == "pause" and not request.get("scope"):
        op = "pause all"
    if op == "unsuppress" and request.get("name"):
        op = "unsuppress another"
    return _DOES.get(op, "").format_map(request)
