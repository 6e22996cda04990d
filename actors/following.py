"""Following: what is put into a mail whose recipient agreed that it is seen what becomes of it.

Links to the shop's own pages lead over the service, by a token that names the mail and a place in
it; where the place leads is kept by the store, so that no address stands in a URL and nobody can
make the service lead anywhere else (delivery §5.1). The service's own pages and other houses' (a
carrier, a bank) are linked as they are. A link that nobody sees is put in for the machines that
follow every one, and for opens a picture of one point.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlsplit

from ecrm import links, tracking
from ecrm.links import LinkKeys
from ecrm.mail import Mail
from ecrm.shop import Shop

_HREF = 'href="'
_END = "</body>"
_OWN_PAGE = re.compile(f"/[{''.join(links.PATHS.values())}]/[A-Za-z0-9_-]{{48}}")


class Follower:
    """Rewrites one mail; `destinations` are the addresses of places 1, 2, … in it."""

    def __init__(self, mail: Mail, shop: Shop, base: str, keys: LinkKeys) -> None:
        self._mail, self._base, self._keys = mail, base.rstrip("/"), keys
        self._origins = {urlsplit(url)[:2] for url in (shop.public_url, shop.cart_url) if url}
        self._places: dict[str, int] = {}

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._places)

    def html(self, pieces: list[str]) -> list[str]:
        """The pieces of a filled template, followed: an address is a piece of its own, behind the
        text that ends with `href="`.
        """
        if self._mail.track_clicks:
            befores = ["", *pieces]
            pieces = [
                self._way(piece, unescape(piece)) if before.endswith(_HREF) else piece
                for before, piece in zip(befores, pieces, strict=False)
            ]
        body, end, rest = pieces[-1].rpartition(_END)
        return [*pieces[:-1], body, *self._hidden(), end + rest] if end else pieces

    def text(self, pieces: list[str]) -> list[str]:
        if not self._mail.track_clicks:
            return pieces
        return [self._way(piece, piece) for piece in pieces]

    def _way(self, piece: str, url: str) -> str:
        """`piece` is how the address is written, `url` the address itself."""
        if not url.startswith(("https://", "http://")) or url.split() != [url]:
            return piece
        if urlsplit(url)[:2] not in self._origins or self._is_ours(url):
            return piece
        return self._page("click", self._places.setdefault(str(url), len(self._places) + 1))

    def _is_ours(self, url: str) -> bool:
        page = url.removeprefix(self._base)
        return page != url and _OWN_PAGE.fullmatch(page) is not None

    def _hidden(self) -> list[str]:
        found = []
        if self._mail.track_clicks:
            trap = self._page("click", tracking.TRAP)
            hiding = 'style="display:none" tabindex="-1" aria-hidden="true"'
            found.append(f'<a href="{trap}" rel="nofollow" {hiding}></a>\n')
        if self._mail.track_opens:
            picture = self._page("open", 0)
            found.append(f'<img src="{picture}" alt="" width="1" height="1" />\n')
        return found

    def _page(self, purpose: links.Purpose, index: int) -> str:
        token = links.make(self._keys, purpose, self._mail.mail_id, index)
        return links.url(self._base, purpose, token)
