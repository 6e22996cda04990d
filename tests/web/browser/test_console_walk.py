"""An incident, walked through in a real browser: a customer says that no reminder ever came.

The console sets a cookie, its own; what `visit` asserts of all other pages is asserted here of it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import pytest

from tests.browsers import AXE, DESK, PATIENCE, PHONE, Seen, expect, identify, track
from tests.worlds import OPERATOR

VIEWS = pytest.mark.parametrize(
    ("viewport", "scheme"),
    [(PHONE, "dark"), (PHONE, "light"), (DESK, "dark"), (DESK, "light")],
    ids=["375-dark", "375-light", "1280-dark", "1280-light"],
)
HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=alert(1)>"


@contextmanager
def inside(browser, house, viewport=DESK, **options):
    """A tab in which an operator has come in; nothing left the house and nothing was wrong."""
    context = browser.new_context(viewport=viewport, **options)
    context.set_default_timeout(PATIENCE * 1_000)
    try:
        seen = Seen(context.new_page())
        seen.page.goto(f"{house.web}/console/")
        seen.page.get_by_label("Key").fill(OPERATOR)
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector("h1:text('Overview')")
        yield seen
        away = [url for url in seen.requests if urlsplit(url).netloc != urlsplit(house.web).netloc]
        found = away, seen.complaints, [one["name"] for one in context.cookies()]
        assert found == ([], [], ["ecrm_console"]), found
    finally:
        context.close()


@pytest.fixture(scope="module")
def places(house):
    """Every page of the console, by name."""
    cart = house.letters("zoe", "k07")[-1]
    mail = urlencode({"id": str(cart["Message-ID"]).strip("<>")})
    return {
        "overview": "/console/",
        "customers": "/console/customers",
        "nobody": "/console/customers?search=nobody",
        "customer": "/console/customer?id=zoe",
        "orders": "/console/customer?id=zoe&show=orders",
        "mail": f"/console/mail?{mail}",
        "then": "/console/past?id=zoe&turn=3",
        "before": "/console/past?id=zoe&turn=0",
        "gallery": "/console/gallery",
        "sample": "/console/gallery/mail?template=cart/reminder&language=fr",
        "queue": "/console/queue",
        "mailbox": "/console/mailbox",
        "programmes": "/console/programmes",
        "quarantine": "/console/quarantine",
        "clock": "/console/clock",
        "nowhere": "/console/nowhere",
    }


@VIEWS
def test_no_page_is_wider_than_its_window_and_axe_finds_nothing_serious(
    browser, house, places, viewport, scheme
):
    if not AXE.exists():
        pytest.skip("there is no axe: python -m tests.install_peers")
    axe = AXE.read_text("utf-8")
    with inside(browser, house, viewport, color_scheme=scheme, bypass_csp=True) as seen:
        # What hangs in the gallery is rendered as it is looked at: here that takes too long.
        seen.page.route("**/gallery/html?*", lambda route: route.fulfill(body=""))
        for name, path in places.items():
            seen.page.goto(house.web + path)
            wide = seen.page.evaluate("document.documentElement.scrollWidth")
            assert (name, wide) == (name, viewport["width"])
            seen.page.evaluate(axe)
            found = seen.page.evaluate(
                "axe.run(document, {resultTypes: ['violations'], iframes: false})"
            )
            assert found["passes"], name
            grave = [
                (one["id"], node["html"])
                for one in found["violations"]
                if one["impact"] in ("serious", "critical")
                for node in one["nodes"]
            ]
            assert (name, grave) == (name, [])


def test_the_door_can_be_used_by_everybody(browser, house):
    context = browser.new_context(viewport=PHONE, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{house.web}/console/queue")
    assert page.evaluate("document.activeElement.name") == "key"
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.get_by_label("Key").fill("ok_wrong")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_contain_text("no operator key")
    page.get_by_label("Key").fill(OPERATOR)
    page.get_by_role("button", name="Enter").click()
    page.wait_for_selector("h1:text('Queue')")
    page.get_by_role("button", name="Leave").click()
    page.wait_for_selector("h1:text('Operator key')")
    assert context.cookies() == []
    context.close()


def test_an_incident_is_walked_through_with_the_keyboard_and_the_mouse(browser, house):
    house.ask("pause", scope="all", reason="wrong prices")
    with inside(browser, house, PHONE) as seen:
        page = seen.page
        page.get_by_role("link", name="Customers").click()
        page.get_by_label("The beginning of an id").fill("gus@")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="gus").click()
        seen.shows("What happened")
        page.get_by_role("link", name="Mails, sent and not").click()
        page.get_by_role("link", name="why").first.click()
        page.wait_for_selector("h2:text('Why it was written')")
        frame = page.frame_locator("iframe.phone")
        expect(frame.locator("body")).to_contain_text("Cup without a handle")
        page.get_by_role("link", name="Queue").click()
        seen.shows("Paused: all since")
        seen.shows("wrong prices")
        page.get_by_role("button", name="Resume all").click()
        seen.shows("Done: resume")
        page.locator("summary", has_text="Drain").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("a new machine")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Done: drain")
        page.get_by_role("button", name="Resume all").click()
        page.wait_for_selector("text=Done: resume")
    assert house.ask("queue")["paused"] == []
    assert [one["op"] for one in house.ask("operations")["operations"]][:2] == ["resume", "drain"]


def test_the_overview_follows_what_happens(browser, house):
    with inside(browser, house) as seen:
        page = seen.page
        before = int(page.locator("[data-figure=events]").inner_text())
        house.tells(track("hal", "Product Viewed", product_id="lamp", name="Paper lamp"))
        page.wait_for_function(
            "n => Number(document.querySelector('[data-figure=events]').textContent) > n",
            arg=before,
        )
        page.wait_for_function("document.querySelector('#line').points.numberOfItems > 1")


def test_nothing_that_a_customer_is_called_runs(browser, house):
    lines = [{"product_id": HOSTILE, "name": HOSTILE, "price": 1}]
    house.tells(
        identify("h<b>", email="h@customers.example", firstName=HOSTILE, lastName=HOSTILE),
        *(
            track("h<b>", event, order_id=HOSTILE, total=1, currency="EUR", products=lines)
            for event in ("Order Completed", "Order Paid")
        ),
    )  # fmt: skip
    house.passes("1h")
    with inside(browser, house) as seen:
        seen.page.goto(f"{house.web}/console/customer?{urlencode({'id': 'h<b>'})}")
        seen.shows(HOSTILE)
        assert "owned" not in seen.page.title()
        assert seen.page.locator("img").count() == 0
        seen.page.get_by_role("link", name="why").first.click()
        seen.page.wait_for_selector("h2:text('Why it was written')")
        assert seen.page.title() != "owned"


def test_a_life_is_slid_through_with_the_arrow_keys_and_the_slider(browser, house):
    turns = house.ask("at", customer="zoe")["turns"]
    with inside(browser, house, PHONE) as seen:
        page = seen.page
        page.goto(f"{house.web}/console/past?id=zoe")
        there = page.locator("#there")
        expect(there).to_have_attribute("data-turn", str(turns))
        page.keyboard.press("ArrowLeft")
        expect(there).to_have_attribute("data-turn", str(turns - 1))
        expect(page).to_have_url(re.compile(r"seq=\d+$"))
        page.get_by_label("Turn, of").focus()
        page.keyboard.press("Home")
        expect(there).to_have_attribute("data-turn", "0")
        expect(there).to_contain_text("Nothing was known yet")
        page.keyboard.press("ArrowRight")
        expect(there).to_have_attribute("data-turn", "1")
        expect(page.get_by_label("Turn, of")).to_have_attribute(
            "aria-valuetext", re.compile("^Turn 1 of")
        )
        page.get_by_role("link", name="Turn after").press("Enter")
        expect(there).to_have_attribute("data-turn", "2")
        expect(page.get_by_role("link", name="Turn after")).to_be_focused()
        expect(page.get_by_label("Turn, of")).to_have_value("2")
        page.get_by_label("An event, in JSON").fill('{"type": "track",}')
        page.get_by_role("button", name="What differs?").click()
        expect(page.get_by_role("alert")).to_contain_text("This is no JSON: line 1, column 18")
        expect(there).to_have_attribute("data-turn", "2")


def test_a_customers_page_slides_too_and_without_a_script_there_are_links(browser, house):
    with inside(browser, house) as seen:
        seen.page.goto(f"{house.web}/console/customer?id=zoe")
        seen.page.get_by_label("Turn, of").fill("1")
        expect(seen.page.locator("#there")).to_have_attribute("data-turn", "1")
        assert urlsplit(seen.page.url).path == "/console/customer"
    with inside(browser, house, java_script_enabled=False) as seen:
        seen.page.goto(f"{house.web}/console/past?id=zoe")
        seen.page.get_by_role("link", name="Turn before").click()
        expect(seen.page.get_by_role("link", name="Turn after")).to_be_visible()


def test_the_gallery_loads_what_is_in_sight_and_shows_it_large(browser, house):
    with inside(browser, house, PHONE) as seen:
        page = seen.page
        shown = re.compile(r"/gallery/html\?(?!template=cart(/|%2F)reminder&)")
        page.route(shown, lambda route: route.fulfill(body=""))
        page.get_by_role("link", name="Gallery").click()
        frame = page.frame_locator("iframe[title='k07 cart/reminder']")
        page.locator("iframe[title='k07 cart/reminder']").scroll_into_view_if_needed()
        expect(frame.locator("body")).to_contain_text("Anne")
        page.get_by_role("link", name="k07 cart/reminder").click()
        expect(page.frame_locator("iframe.phone").locator("body")).to_contain_text("Anne")
        page.locator("summary", has_text="Headers").click()
        expect(page.get_by_text("List-Unsubscribe:").first).to_be_visible()
