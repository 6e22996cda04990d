"""A real browser, and a service in a process of its own, for tests of what people see.

    with chromium() as browser, serving(folder) as house, visit(browser, house) as seen:
        seen.page.goto(house.link(...))

Playwright's sync API runs an event loop of its own: it cannot be used inside trio, so these tests
are plain functions. Whatever a test looks at, three things hold of it, and `visit` asserts them at
its end: no request left the house, no cookie was set, and the browser had nothing to complain of
(its console is where broken policies, failed loads and errors of scripts come out).
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from websockets.sync.client import connect

from tests.worlds import OPERATOR, PUBLISHABLE, SECRET, parse, text_of

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

ROOT = Path(__file__).parents[1]
AXE = ROOT / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE = 60
expect = playwright.expect
expect.set_options(timeout=PATIENCE * 1_000)
FLAGS = (
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing has a name here but this host: what would leave it fails at once, and is seen.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# A headless browser names itself, and is taken for the machine that it is.
PERSON = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36"
)
PHONE, DESK = {"width": 375, "height": 667}, {"width": 1280, "height": 800}


@contextmanager
def chromium():
    """Debian's browser, or a skipped test; a second for each start: one for a module is enough."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium: python -m tests.install_peers")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, headless=True, args=[*FLAGS])
        try:
            yield browser
        finally:
            browser.close()


class Seen:
    """A tab of a fresh profile, and all it asked for and complained of."""

    def __init__(self, page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message) -> None:
        # A page that says "gone" comes with status 404, and is no broken load.
        of_page = message.location["url"] == self.page.url and "status of 4" in message.text
        if message.type in ("error", "warning") and not of_page:
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def shows(self, *texts: str) -> None:
        """Each of these comes to be read on the page. A click returns before the page that it
        leads to is there: what was clicked for is waited for.
        """
        body = expect(self.page.locator("body"))
        for text in texts:
            body.to_contain_text(text, use_inner_text=True)

    def says(self) -> str:
        """The text of the page as it is now, with the spaces that do not break made plain."""
        return self.page.inner_text("body").translate({0xA0: " ", 0x202F: " "})


@contextmanager
def visit(
    browser, *homes, viewport=DESK, user_agent=PERSON, cookies=(), **options
) -> Iterator[Seen]:
    """A fresh tab; `homes` are the hosts (`http://127.0.0.1:1234`) that it may ask, `cookies` the
    names of those that it may be given. `options` are Playwright's: `java_script_enabled`,
    `color_scheme`, `locale`, `bypass_csp`.
    """
    context = browser.new_context(viewport=viewport, user_agent=user_agent, **options)
    context.set_default_timeout(PATIENCE * 1_000)
    try:
        seen = Seen(context.new_page())
        yield seen
        hosts = {urlsplit(home).netloc for home in homes}
        away = [url for url in seen.requests if urlsplit(url).netloc not in hosts]
        given = [one["name"] for one in context.cookies() if one["name"] not in cookies]
        found = away, seen.complaints, given
        assert found == ([], [], []), found
    finally:
        context.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class House:
    """A running service: what shops tell it, what it wrote, and its clock."""

    def __init__(self, folder: Path, port: int, web: int, front: str) -> None:
        self.folder, self.port = folder, port
        self.web = f"http://127.0.0.1:{web}"
        self.front = front
        self._numbers = count(1)

    def tells(self, *messages: dict) -> None:
        """Tell all of these over the real websocket, as a shop's back end; back when durable."""
        waiting = {}
        for message in messages:
            message_id = f"b{next(self._numbers)}"
            waiting[message_id] = {"messageId": message_id, **message}
        with connect(f"ws://127.0.0.1:{self.port}/v1/events", compression=None) as websocket:
            websocket.send(_json({"type": "hello", "key": SECRET}))
            assert '"welcome"' in websocket.recv(timeout=PATIENCE)
            websocket.send(_json({"type": "batch", "batch": [*waiting.values()]}))
            while waiting:
                answer = msgspec.json.decode(websocket.recv(timeout=PATIENCE))
                assert answer["type"] == "ack", answer
                for message_id in answer["ids"]:
                    del waiting[message_id]

    def ask(self, op: str, **request: object):
        """What the console answers. Raises LookupError, where it refuses."""
        with connect(f"ws://127.0.0.1:{self.port}/v1/console", compression=None) as websocket:
            websocket.send(_json({"type": "hello", "key": OPERATOR}))
            websocket.recv(timeout=PATIENCE)
            websocket.send(_json({"id": 1, "op": op, **request}))
            answer = msgspec.json.decode(websocket.recv(timeout=PATIENCE))
            if not answer["ok"]:
                raise LookupError(answer["error"]["reason"])
            return answer["result"]

    def passes(self, span: str) -> None:
        """Push the clock, `"3h"`; everything due by then is done."""
        self.ask("clock", advance=span)

    def state(self, customer: str):
        """What is known of a customer, as the console shows it."""
        return self.ask("inspect", customer=customer)

    def letters(self, customer: str, kind: str = ""):
        found = [parse(one.read_bytes()) for one in (self.folder / "mail" / "new").iterdir()]
        return [
            one
            for one in sorted(found, key=lambda one: str(one["X-Ecrm-At"]))
            if one["X-Ecrm-Customer"] == customer and kind in ("", one["X-Ecrm-Kind"])
        ]

    def link(self, customer: str, kind: str, page: str, place: int = 0) -> str:
        """The address of a page (`u`, `p`, `v`, `r`, `w`, `c`) in the last mail of that kind, as
        its text part writes it: the first, or the one at `place`.
        """
        letter = self.letters(customer, kind)[-1]
        found = re.findall(rf"{self.web}/{page}/[\w-]{{48}}", text_of(letter))
        return list(dict.fromkeys(found))[place]


@contextmanager
def serving(folder: Path, settings: str = "") -> Iterator[House]:
    """`run.py serve --warp` as a process, on free ports, with keys of each kind; `settings` are
    further sections of its `ecrm.toml`. The shop's own front is a page of another port.
    """
    port, web = free_port(), free_port()
    with ExitStack() as stack:
        front = stack.enter_context(_shop_front())
        config = folder / "ecrm.toml"
        config.write_text(
            f'[shop]\nname = "Maison Verte"\npublic_url = "{front}"\n'
            f"[gateway]\nport = {port}\n"
            f'[web]\nport = {web}\npublic_url = "http://127.0.0.1:{web}"\n{settings}',
            encoding="utf-8",
        )
        stack.enter_context(_process(folder, config, "--warp"))
        yield House(folder, port, web, front)


@contextmanager
def serving_demo(folder: Path) -> Iterator[House]:
    """`run.py serve --demo`, with its own shop, as somebody new starts it."""
    port, web = free_port(), free_port()
    config = folder / "ecrm.toml"
    config.write_text(f"[gateway]\nport = {port}\n[web]\nport = {web}\n", encoding="utf-8")
    with _process(folder, config, "--demo"):
        yield House(folder, port, web, f"http://127.0.0.1:{web}/demo/")


@contextmanager
def _process(folder: Path, config: Path, how: str) -> Iterator[None]:
    log = folder / "log"
    words = ["run.py", "serve", how, "--config", str(config), "--data", str(folder)]
    keys = {"PUBLISHABLE": PUBLISHABLE, "SECRET": SECRET, "OPERATOR": OPERATOR}
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            cwd=ROOT,
            env={f"ECRM_{name}_KEY": key for name, key in keys.items()},
        )
    try:
        if "ecrm is ready" not in process.stdout.readline():
            pytest.fail(log.read_text())
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()


class _Front(BaseHTTPRequestHandler):
    """The shop: one page, whatever is asked."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>Shop</title><h1>The shop</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args) -> None:
        """Say nothing."""


@contextmanager
def _shop_front() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Front) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def track(customer: str, event: str, **properties: object) -> dict:
    return {"type": "track", "userId": customer, "event": event, "properties": properties}


def identify(customer: str, **traits: object) -> dict:
    return {"type": "identify", "userId": customer, "traits": traits}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
