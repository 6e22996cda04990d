"""Links of the mails in a world, for tests of the pages behind them."""

from __future__ import annotations

import re

from actors.slot import recover
from ecrm import links
from ecrm.links import LinkKey, LinkKeys
from ecrm.moment import CustomerId
from tests.worlds import LINK_KEY, text_of

KEYS = LinkKeys(LinkKey(1, LINK_KEY))


def mail_id_of(letter) -> str:
    found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(letter["Message-ID"]))
    return found[0]


def path(purpose, letter, index=0, keys=KEYS) -> str:
    """The path of a page about a mail, whether the mail shows it or not."""
    token = links.make(keys, purpose, mail_id_of(letter), index)
    return f"/{links.PATHS[purpose]}/{token}"


def followed(letter) -> list[str]:
    """The paths of the followed links in the text part of a mail, in order."""
    return ["/" + one for one in re.findall(r"https?://[^/\s]+/(c/[\w-]{48})", text_of(letter))]


def html_of(letter) -> str:
    return str(letter.get_body(("html",)).get_content())


async def state_of(world, customer):
    who = CustomerId(customer)
    lives = await world.service.store.load([who])
    return (await recover(world.service.store, lives[who])).state
