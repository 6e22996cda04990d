"""A shop's front with the SDK in it, and a service that can go down and come back.

The front is of another origin than the service, and brings its own copy of `ecrm.js`, as a bundler
would: so a page opens while the service is down, as one does from a browser's cache.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from websockets.sync.client import connect

from tests.browsers import PATIENCE, free_port
from tests.worlds import OPERATOR, PUBLISHABLE

ROOT = Path(__file__).parents[3]
SDK = ROOT / "templates" / "web" / "static" / "ecrm.js"
PAGE = b"""<!doctype html><html lang="en"><title>Shop</title><h1>The shop</h1>
<link rel="icon" href="data:,">
<script type="module">
  import ecrm from "/ecrm.js";
  window.sdk = ecrm;
  window.errors = [];
</script>"""


def until(holds, span: float = 120.0):
    """Ask until something holds that comes by itself, in real time; what it then is."""
    limit = time.monotonic() + span
    while not (found := holds()):
        assert time.monotonic() < limit, "it never came"
        time.sleep(0.02)
    return found


class Service:
    """`run.py serve` on ports and a folder that stay the same however often it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.web_port = folder, free_port(), free_port()
        self.web = f"http://127.0.0.1:{self.web_port}"
        self.events = f"ws://127.0.0.1:{self.port}/v1/events"
        self._config = folder / "ecrm.toml"
        self._config.write_text(
            f"[gateway]\nport = {self.port}\n[web]\nport = {self.web_port}\n", encoding="utf-8"
        )
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        words = ("run.py", "serve", "--warp", "--config", self._config, "--data", self.folder)
        keys = {"ECRM_PUBLISHABLE_KEY": PUBLISHABLE, "ECRM_OPERATOR_KEY": OPERATOR}
        log = self.folder / "log"
        with log.open("ab") as written:
            self._process = subprocess.Popen(
                [sys.executable, *map(str, words)],
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
                cwd=ROOT,
                env={**keys, "ECRM_SECRET_KEY": "sk_test"},
            )
        if "ecrm is ready" not in self._process.stdout.readline():
            pytest.fail(log.read_text())

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.communicate(timeout=PATIENCE)
            self._process = None

    def journal(self, customer: str) -> str:
        """All that was taken of a customer, in sentences; nothing of one who is not known."""
        with connect(f"ws://127.0.0.1:{self.port}/v1/console", compression=None) as websocket:
            websocket.send(_json({"type": "hello", "key": OPERATOR}))
            websocket.recv(timeout=PATIENCE)
            request = {"id": 1, "op": "journal", "customer": customer, "limit": 500}
            websocket.send(_json(request))
            answer = msgspec.json.decode(websocket.recv(timeout=PATIENCE))
        turns = answer["result"]["journal"] if answer["ok"] else []
        return "\n".join(fact for turn in turns for fact in turn["facts"])

    def added(self, visitor: str) -> Counter[str]:
        """What a visitor put into the cart, and how often that was taken."""
        journal = self.journal(f"visitor:{visitor}")
        return Counter(re.findall(r"1 of (\S+) went into the cart", journal))


class Front(BaseHTTPRequestHandler):
    """The shop's pages, all alike; and where there is one, the sink of what is posted."""

    answers: list[tuple[int, dict]]
    bodies: list[bytes]

    def do_GET(self) -> None:
        script = self.path.startswith("/ecrm.js")
        self._answer(
            200, SDK.read_bytes() if script else PAGE, "text/javascript" if script else "text/html"
        )

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status, said = self.answers.pop(0) if self.answers else (200, {"success": True})
        self._answer(status, _json(said).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args) -> None:
        """Say nothing."""


class Served:
    """A front that listens: its address, what was posted to it, and what it shall answer next."""

    def __init__(self, port: int, handler: type[Front]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.bodies, self.answers = handler.bodies, handler.answers


@contextmanager
def front():
    handler = type("OneFront", (Front,), {"answers": [], "bodies": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
        thread.start()
        yield Served(server.server_port, handler)
        server.shutdown()
        thread.join()


class Tab:
    """A tab with the front in it."""

    def __init__(self, context, shop: Served, **settings: object) -> None:
        self.page = context.new_page()
        self.faults: list[str] = []
        self.frames: list[str] = []
        self.shop, self.settings = shop, {"key": PUBLISHABLE, "consent": True, **settings}
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("websocket", self._hears)
        self.open()

    def _hears(self, websocket) -> None:
        def heard(frame):  # Playwright takes no built-in function
            self.frames.append(frame)

        websocket.on("framesent", heard)

    def open(self) -> None:
        self.page.goto(self.shop.url)
        self.page.wait_for_function("window.sdk")

    def init(self, **settings: object) -> Tab:
        given = {**self.settings, **settings}
        self.page.evaluate(
            "given => sdk.init({...given, onError: error => errors.push(error)})",
            {name: value for name, value in given.items() if value is not None},
        )
        return self

    def says(self, script: str) -> object:
        return self.page.evaluate(script)

    def adds(self, *products: str) -> None:
        self.page.evaluate("ids => { for (const id of ids) sdk.cart.add(id) }", list(products))

    @property
    def visitor(self) -> str:
        return self.page.evaluate("sdk.anonymousId()")

    def stored(self) -> list[dict]:
        """The messages that wait in the browser, in order."""
        found = self.page.evaluate(
            "Object.entries(localStorage).filter(([key]) => key.startsWith('ecrm:m:')).sort()"
        )
        return [msgspec.json.decode(body) for _, body in found]

    def finds(self, count: int) -> None:
        """So many messages wait. What one tab stores or removes reaches the others a moment
        later: they are processes of their own.
        """
        self.until(lambda: len(self.stored()) == count)

    def errors(self) -> list[dict]:
        return self.page.evaluate("errors")

    def is_empty(self) -> bool:
        return not self.says("Object.keys(localStorage).some(key => key.startsWith('ecrm:m:'))")

    def until(self, holds) -> object:
        """As `until`; the browser's events are heard meanwhile."""
        return until(lambda: self.says("0") or holds())

    def empties(self) -> None:
        """All is answered."""
        until(self.is_empty)

    def sent(self) -> list[str]:
        """The ids that went over sockets, in order, each as often as it did."""
        return [
            one["messageId"]
            for frame in map(msgspec.json.decode, self.frames)
            if frame["type"] == "batch"
            for one in frame["batch"]
        ]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
