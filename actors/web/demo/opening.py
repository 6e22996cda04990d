"""Opens the demo shop: what of the settings it takes the place of, its keys, its pages.

- A setting of `[shop]` that is at its default is the demo shop's; what an operator has set stays.
- Mails go to whoever's address is typed into a form, so they stay in the house: a Maildir, or a
  mail server on this machine.
- Its publishable key and its identity secret are made at each start and stored nowhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec.structs import asdict, replace
from quart import Blueprint, Response, redirect
from werkzeug.exceptions import NotFound

from actors import keys, templates
from actors.clock import WarpClock
from actors.service import Service
from actors.settings import Key, Settings, ShopSection
from actors.web.demo.backend import Backend
from actors.web.demo.checkout import Checkout
from actors.web.demo.counter import Counter
from actors.web.demo.floor import ROOT, Floor
from actors.web.demo.goods import Shelf
from actors.web.demo.machine import Machine
from actors.web.demo.panel import Panel
from actors.web.demo.visitors import Sessions
from actors.web.look import Look
from ecrm.errors import Misconfigured
from ecrm.shop import Shop
from proto.identity import user_hash

NAME: Final = "Komorebi"
ADDRESS: Final = "7 quai des Thés, 69001 Lyon"
HOME: Final = frozenset(("127.0.0.1", "localhost", "::1"))
ANYWHERE: Final = frozenset(("0.0.0.0", "::", ""))  # noqa: S104 - compared with, not bound to

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def furnished(configured: Settings) -> Settings:
    """The settings under `--demo`. Raises Misconfigured where mails would leave the house."""
    leaves = configured.transport == "http" or (
        configured.transport == "smtp" and configured.smtp.host not in HOME
    )
    if leaves:
        raise Misconfigured(
            "--demo writes to whatever address somebody types into a form: it goes with "
            'delivery.transport = "maildir", or a mail server on this machine'
        )
    home = _home(configured)
    links = configured.web.public_url or home
    return replace(
        configured,
        shop=_shop(configured.shop, links),
        mail=replace(configured.mail, links_url=links),
        idle=tuple(note for note in configured.idle if not note.startswith("web.public_url")),
    )


def _home(configured: Settings) -> str:
    web = configured.web
    if not web.port and not web.public_url:
        raise Misconfigured("--demo needs to know where it is: set web.port, or web.public_url")
    host = "127.0.0.1" if web.host in ANYWHERE else web.host
    return f"http://[{host}]:{web.port}" if ":" in host else f"http://{host}:{web.port}"


def _shop(own: Shop, links: str) -> Shop:
    default = asdict(ShopSection())
    front = f"{links.rstrip('/')}{ROOT}"
    demo = {
        "name": NAME,
        "public_url": front,
        "cart_url": f"{front}cart",
        "postal_address": ADDRESS,
        "support_email": "bonjour@komorebi.example",
    }
    kept = {name: value for name, value in asdict(own).items() if value != default[name]}
    return Shop(**(default | demo | kept))


async def open_shop(running: Service, clock: WarpClock, gateway: int) -> None:
    """Stock the catalogue and put the shop under `/demo/`; `gateway` is the port of the websockets.
    To be called before the pages are served.
    """
    key, secret = keys.new("publishable"), keys.new("identity")
    running.keyring.add(
        (Key("demo-shop", "publishable", key), Key("demo-identity", "identity", secret))
    )
    shop = running.settings.shop
    front = f"{running.settings.mail.links_url.rstrip('/')}{ROOT}"
    shelf = Shelf(front, shop.currency)
    backend = Backend(running.system, clock, shelf, lambda who: user_hash(secret, who))
    await backend.stock()
    look = Look(templates.ROOT, shop, "demo", "demo")
    floor = Floor(backend, Sessions(), look, key, gateway)
    composer = running.web.desk.composer
    panel = Panel(backend, composer, running.system.rules)
    pages = Blueprint("demo", __name__, url_prefix=ROOT.rstrip("/"))
    pages.add_url_rule("", "front", _front, methods=["GET"])
    Counter(floor).add_to(pages)
    Checkout(floor).add_to(pages)
    Machine(floor, panel, composer, clock, shop.timezone).add_to(pages)
    _Files(templates.ROOT / "web" / "demo").add_to(pages)

    async def secured(response: Response) -> Response:
        return floor.secured(response)

    pages.after_request(secured)
    running.web.app.register_blueprint(pages)


async def _front() -> Response:
    return redirect(ROOT)  # type: ignore[return-value]  # werkzeug's, of our kind


class _Files:
    """Styles, scripts and pictures, read once."""

    def __init__(self, folder: Path) -> None:
        found = [*folder.glob("*.*"), *(folder / "pictures").iterdir()]
        self._files = {
            file.name: (file.read_bytes(), TYPES[file.suffix])
            for file in found
            if file.suffix in TYPES
        }

    def add_to(self, pages: Blueprint) -> None:
        for folder in ("files", "pictures"):
            pages.add_url_rule(f"/{folder}/<name>", folder, self.file, methods=["GET"])

    async def file(self, name: str) -> Response:
        if name not in self._files:
            raise NotFound
        data, kind = self._files[name]
        found = Response(data, content_type=kind)
        found.headers["Cache-Control"] = "public, max-age=600"
        return found
