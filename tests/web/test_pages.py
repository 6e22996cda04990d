"""What all pages have in common."""

from __future__ import annotations

import re
import socket
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import jinja2
import pytest
import trio
from quart.testing import WebsocketResponseError

from actors import samples
from actors.settings import WebSection
from actors.web import app, server
from actors.web.look import Look
from ecrm.errors import Misconfigured
from ecrm.shop import Shop, brand, contrast

ROOT = Path(__file__).parents[2] / "templates"
LOOK = Look(ROOT, samples.SHOP)
PAGES = sorted((ROOT / "web" / "pages").glob("*.html"))
CSS = (ROOT / "web" / "static" / "page.css").read_text("utf-8")


def sentences():
    env = jinja2.Environment(
        extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True, autoescape=True
    )
    env.policies["ext.i18n.trimmed"] = True
    return {
        said for page in PAGES for _, _, said in env.extract_translations(page.read_text("utf-8"))
    }


def test_every_sentence_is_translated_and_no_other():
    assert {*LOOK.catalogues["fr"].sentences} == sentences()
    assert all(LOOK.catalogues["fr"].sentences.values())


def test_french_marks_have_their_space():
    for said in LOOK.catalogues["fr"].sentences.values():
        assert not re.search(r"(?<![\u00a0])[!?;:]", said), said


def test_a_language_is_found_by_any_of_its_names():
    assert [LOOK.language_of(name) for name in ("fr-CA", "en_GB", "en")] == ["fr", "en", "en"]
    assert LOOK.language_of("de", "", "no such") == LOOK.language_of(samples.SHOP.locale)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_loads_nothing_and_runs_nothing(page):
    text = page.read_text("utf-8")
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|<iframe|@import|src=\"http", text)


def test_text_can_be_read_by_day_and_by_night():
    for block in re.findall(r"--page: .*?;.*?--ink: .*?}", CSS, re.DOTALL):
        colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
        for ink in ("ink", "soft"):
            for ground in ("page", "card"):
                assert contrast(colours[ink], colours[ground]) >= 4.5
        for ground in ("good", "bad"):
            assert contrast(colours["ink"], colours[ground]) >= 4.5


@pytest.mark.parametrize("colour", ["#1d5c54", "#ffe14d", "#000000", "#ffffff", "#d01c8b"])
def test_the_shops_colour_stays_legible(colour):
    look = Look(ROOT, Shop("S", "https://s.example", "a@s.example", colour=colour))
    found = dict(re.findall(r"--([\w-]+): (#\w{6});", look.brand_css()))
    assert found["colour"] == brand(colour).colour
    assert contrast(found["colour"], found["on-colour"]) >= 4.5
    assert contrast(found["link"], "#ffffff") >= 4.5
    assert contrast(found["link-dark"], "#1b1c1f") >= 4.5


@pytest.fixture
def client():
    made = app.make(LOOK, [])

    async def fails():
        raise ZeroDivisionError("the inside of the house")

    made.add_url_rule("/fails", view_func=fails)
    return made.test_client()


async def test_headers_keep_others_out(client):
    answer = await client.get("/nothing")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'")
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/static/../look.py", 404),
        ("GET", "/static/no.css", 404),
        ("POST", "/robots.txt", 405),
        ("GET", "/fails", 500),
    ],
)
async def test_what_fails_is_a_page_of_ours_without_a_word_about_the_inside(
    client, method, path, status
):
    answer = await client.open(path, method=method, headers={"Accept-Language": "en"})
    text = await answer.get_data(as_text=True)
    assert answer.status_code == status
    assert samples.SHOP.name in text
    assert '<html lang="en">' in text
    assert "ZeroDivision" not in text
    assert "inside of the house" not in text


async def test_a_body_beyond_all_measure_is_refused(client):
    made = app.make(LOOK, [])

    async def form():
        return str(len(await app.request.form))

    made.add_url_rule("/form", view_func=form, methods=["POST"])
    for size, status in ((1_000, 200), (70_000, 413)):
        answer = await made.test_client().post("/form", form={"a": "x" * size})
        assert answer.status_code == status


async def test_the_language_of_a_stranger_is_the_browsers(client):
    for asked, language in (("fr-FR,fr;q=0.9,en;q=0.1", "fr"), ("en", "en")):
        answer = await client.get("/nothing", headers={"Accept-Language": asked})
        assert f'<html lang="{language}">' in await answer.get_data(as_text=True)


async def test_the_tab_shows_the_shops_initial_in_its_colour():
    look = Look(ROOT, Shop("<Vert>", "https://s.example", "a@s.example", colour="#d01c8b"))
    for place in ("/icon.svg", "/favicon.ico"):
        answer = await app.make(look, []).test_client().get(place)
        svg = ET.fromstring(await answer.get_data())
        assert (answer.headers["Content-Type"], svg[0].get("fill")) == ("image/svg+xml", "#d01c8b")
        assert svg[1].text == "<"


async def test_files_beside_the_pages_are_served(client):
    css, robots = await client.get("/static/page.css"), await client.get("/robots.txt")
    assert (css.status_code, css.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "Disallow: /" in await robots.get_data(as_text=True)


def asked(url, method, path, body=None, headers=None):
    """One request of the plainest client there is, which says nothing about itself."""
    at = urlsplit(url)
    connection = HTTPConnection(at.hostname, at.port, timeout=10)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return found


async def test_a_real_server_serves_and_ends_when_told():
    stopping = trio.Event()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            at = WebSection(port=0)
            url = await nursery.start(server.serve, app.make(LOOK, []), at, stopping.wait)
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
            status, headers, text = await trio.to_thread.run_sync(asked, url, "GET", "/nothing")
            stopping.set()
    assert (status, samples.SHOP.name in text) == (404, True)
    assert "server" not in {name.lower() for name in headers}


async def test_a_connection_that_is_to_close_is_closed():
    stopping = trio.Event()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            at = WebSection(port=0)
            url = await nursery.start(server.serve, app.make(LOOK, []), at, stopping.wait)
            stream = await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
            await stream.send_all(
                b"GET /robots.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            answer = b"".join([part async for part in stream])
            await stream.aclose()
            stopping.set()
    assert answer.endswith(b"Disallow: /\n")


async def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"127.0.0.1:{port}.*web.port"):
            await server.serve(app.make(LOOK, []), WebSection(port=port), trio.sleep_forever)


async def test_who_opens_a_websocket_at_the_port_of_the_pages_is_turned_away(world, autojump_clock):
    client = world.service.web.app.test_client()
    turned = pytest.RaisesExc(
        WebsocketResponseError, check=lambda error: error.response.status_code == 400
    )
    with pytest.RaisesGroup(turned, flatten_subgroups=True):
        async with client.websocket("/v1/events") as websocket:
            await websocket.receive()
