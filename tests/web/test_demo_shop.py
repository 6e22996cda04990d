"""The demo shop: what its back end tells, what its pages let a browser do, what they keep apart."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import jinja2
import msgspec
import pytest

from actors import service
from actors.clock import WarpClock
from actors.outside import open_outside
from actors.store.sqlite import open_store
from actors.web.demo import till, visitors
from actors.web.demo.goods import BY_ID, CATEGORIES, GOODS, along
from actors.web.demo.opening import furnished, open_shop
from actors.web.demo.visitors import SESSIONS, Session, Sessions
from actors.web.look import Look
from ecrm import moment, offers
from ecrm.errors import Misconfigured
from ecrm.moment import CustomerId, Instant, days
from ecrm.state import Offered, State
from tests.worlds import instant, parse, settings_in, text_of

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "templates" / "web" / "demo").glob("*.html"))
VISITOR = "0b7e4a34-3c1d-4f0e-9d52-5f1f0f1c2a3b"
NOON = instant("2026-03-02 12:00")


class Stall:
    """The demo shop with everything behind it, on a clock that stands still between pushes."""

    def __init__(self, running, clock) -> None:
        self.running = running
        self.clock = clock

    def browser(self):
        return Browser(self.running.web.app.test_client())

    async def passes(self, span: str) -> None:
        await self.clock.advance(moment.later(self.clock.now(), moment.parse_duration(span)))

    def letters(self) -> list[EmailMessage]:
        folder = self.running.settings.maildir / "new"
        return [parse(file.read_bytes()) for file in sorted(folder.iterdir())]


class Browser:
    def __init__(self, client) -> None:
        self._client = client

    async def get(self, path: str) -> tuple[int, str]:
        return await self._asked("GET", path)

    async def post(self, path: str, **form: str) -> tuple[int, str]:
        return await self._asked("POST", path, form=form)

    async def _asked(self, method: str, path: str, **more) -> tuple[int, str]:
        headers = more.pop("headers", {"Accept-Language": "en"})
        answer = await self._client.open(f"/demo/{path}", method=method, headers=headers, **more)
        return answer.status_code, (await answer.get_data(as_text=False)).decode()

    async def posted_from(self, site: str, path: str, **form: str) -> int:
        headers = {"Sec-Fetch-Site": site}
        return (await self._asked("POST", path, form=form, headers=headers))[0]

    async def policy_of(self, path: str) -> str:
        answer = await self._client.get(f"/demo/{path}")
        return answer.headers["Content-Security-Policy"]

    async def panel(self) -> str:
        status, text = await self.get(f"panel?visitor={VISITOR}")
        assert status == 200
        return text

    async def signs_up(self, **form: str) -> None:
        await self.get("")
        given = {"email": "zoe@example.org", "first_name": "Zoé", "visitor": VISITOR}
        assert (await self.post("account", **(given | form)))[0] == 303


@asynccontextmanager
async def open_stall(folder: Path):
    clock = WarpClock(NOON, rate=0)
    configured = furnished(settings_in(folder))
    async with (
        open_outside() as outside,
        open_store(configured.database, outside, clock.now) as store,
        service.running(configured, store, clock, outside) as running,
    ):
        await open_shop(running, clock, 8765)
        yield Stall(running, clock)


@pytest.fixture
async def stall(tmp_path):
    async with open_stall(tmp_path) as opened:
        yield opened


def person_in(panel: str) -> str:
    return re.search(r"<dt>Who</dt><dd>(.*?)</dd>", panel)[1]


# What is there, and for whom.


async def test_nothing_of_it_is_there_without_demo(world):
    for path in ("/demo", "/demo/", "/demo/panel", "/demo/pictures/kyusu.svg"):
        assert (await world.page(path))[0] == 404
    assert (await world.page("/demo/clock", {"advance": "3h"}))[0] == 404


def test_what_an_operator_has_set_stays_and_the_rest_is_the_demo_shops(tmp_path):
    loaded = settings_in(tmp_path)
    shop = furnished(loaded).shop
    assert (shop.name, shop.public_url) == ("Komorebi", "http://127.0.0.1:8080/demo/")
    assert shop.cart_url == "http://127.0.0.1:8080/demo/cart"
    own = msgspec.structs.replace(loaded.shop, name="Maison Verte", colour="#112233")
    mixed = furnished(msgspec.structs.replace(loaded, shop=own)).shop
    assert (mixed.name, mixed.colour, mixed.cart_url) == ("Maison Verte", "#112233", shop.cart_url)


def test_links_lead_to_where_the_pages_are_reached(tmp_path):
    loaded = settings_in(tmp_path)
    web = msgspec.structs.replace(loaded.web, public_url="https://try.example")
    named = furnished(msgspec.structs.replace(loaded, web=web))
    assert named.mail.links_url == "https://try.example"
    assert named.shop.cart_url == "https://try.example/demo/cart"
    web = msgspec.structs.replace(loaded.web, port=0)
    with pytest.raises(Misconfigured, match=r"web\.port"):
        furnished(msgspec.structs.replace(loaded, web=web))


@pytest.mark.parametrize(
    ("transport", "host", "goes"),
    [
        ("maildir", "", True),
        ("smtp", "127.0.0.1", True),
        ("smtp", "mail.example", False),
        ("http", "", False),
    ],
)
def test_mails_of_strangers_do_not_leave_the_house(tmp_path, transport, host, goes):
    loaded = settings_in(tmp_path)
    smtp = msgspec.structs.replace(loaded.smtp, host=host)
    asked = msgspec.structs.replace(loaded, transport=transport, smtp=smtp)
    if goes:
        assert furnished(asked).transport == transport
    else:
        with pytest.raises(Misconfigured, match="--demo"):
            furnished(asked)


# The goods and the till.


def test_every_good_has_its_picture_and_goes_with_goods_that_exist():
    folder = ROOT / "templates" / "web" / "demo" / "pictures"
    assert {one.stem for one in folder.iterdir()} == {*BY_ID}
    for good in GOODS:
        assert good.category in CATEGORIES
        assert {*good.complements, *good.services} <= {*BY_ID}
        assert good not in along([good])


def offer(percent=10, until=NOON, minimum=0) -> Offered:
    return Offered(offers.code_for("a mail"), percent, Instant(until), "cart", minimum=minimum)


@pytest.mark.parametrize(
    ("cart", "given", "discount", "shipping", "total"),
    [
        ({}, None, 0, 0, 0),
        ({"hojicha": 1}, None, 0, 290, 1390),
        ({"hojicha": 2}, offer(), 220, 290, 2270),
        ({"kyusu": 1}, offer(), 680, 0, 6120),
        ({"sencha": 1}, offer(minimum=5000), 0, 290, 1740),
    ],
)
def test_a_bill_adds_up(cart, given, discount, shipping, total):
    bill = till.bill(cart, given, "relay")
    assert (bill.discount, bill.shipping, bill.total) == (discount, shipping, total)


@pytest.mark.parametrize(
    ("typed", "known", "goods", "why"),
    [
        ("no code", offer(), 5000, "no such code"),
        (offers.code_for("another mail"), offer(), 5000, "somebody else"),
        (offer().code, None, 5000, "somebody else"),
        (offer().code, offer(until=NOON - 1), 5000, "over"),
        (offer().code, offer(minimum=6000), 5000, "too small"),
    ],
)
def test_a_code_that_is_not_good_says_why(typed, known, goods, why):
    state = State(CustomerId("zoe"), offers=(known,)) if known else None
    with pytest.raises(till.Refused, match=why):
        till.coupon(typed, state, NOON, goods)


def test_a_code_is_good_to_the_end_of_its_time_however_it_is_typed():
    state = State(CustomerId("zoe"), offers=(offer(),))
    assert till.coupon(offer().code.lower().replace("-", " "), state, NOON, 5000) == offer()


def test_sessions_and_what_they_hold_are_bounded():
    sessions = Sessions()
    first, _ = sessions.begin("fr")
    for _ in range(SESSIONS):
        sessions.begin("fr")
    assert len(sessions) == SESSIONS
    assert sessions.find(first) is None
    session = Session("fr")
    assert session.put("matcha", 20) == till.MOST_OF_ONE
    assert session.put("matcha", 1) == 0
    for number in range(visitors.PEOPLE + 3):
        session.enters(visitors.Person(f"p{number}", "a@b", "A", account=True))
    assert len(session.people) == visitors.PEOPLE
    session.knows("visitor:zoe")
    assert session.visitor == ""


# What the back end tells.


async def test_somebody_who_signs_up_is_greeted_in_their_language_and_asked_for_nothing(stall):
    browser = stall.browser()
    await browser.signs_up()
    await stall.passes("1d")
    (hello,) = stall.letters()
    assert (hello["X-Ecrm-Kind"], hello["To"]) == ("k01", "zoe@example.org")
    panel = await browser.panel()
    assert "zoe@example.org" in person_in(panel)
    assert "<dt>May we write?</dt><dd>never said</dd>" in panel
    assert "Welcome" in panel


async def test_a_ticked_box_is_a_consent_with_its_proof(stall):
    browser = stall.browser()
    await browser.signs_up(agreed="yes")
    panel = await browser.panel()
    assert "<dt>May we write?</dt><dd>yes</dd>" in panel
    assert 'data-name="Consent Updated"' in panel


STEPS = {
    "contact": {},
    "address": {"street": "1 rue", "postcode": "69001", "city": "Lyon"},
    "shipping": {"shipping": "home"},
    "payment": {"payment": "card"},
    "review": {},
}


async def orders(browser) -> None:
    """A teapot, by somebody who has signed up and agreed."""
    await browser.signs_up(agreed="yes")
    await browser.post("cart", product_id="kyusu", quantity="1")
    for step, form in STEPS.items():
        assert (await browser.post(f"checkout/{step}", **form))[0] == 303


async def test_an_order_is_told_paid_and_confirmed_and_the_cart_is_new(stall):
    browser = stall.browser()
    await orders(browser)
    await stall.passes("10min")
    panel = await browser.panel()
    assert re.findall(r'data-name="(Order \w+)" data-at="\d+" data-outcome="(\w+)"', panel) == [
        ("Order Completed", "taken"),
        ("Order Paid", "taken"),
    ]
    assert sorted(str(one["X-Ecrm-Kind"]) for one in stall.letters()) == ["k01", "k11"]
    assert "There is nothing in it yet" in (await browser.get("cart"))[1]


async def test_a_step_cannot_be_skipped_and_nothing_is_ordered_without_a_cart(stall):
    browser = stall.browser()
    await browser.get("")
    assert (await browser.post("checkout/review"))[0] == 303
    await browser.post("cart", product_id="kyusu", quantity="1")
    await browser.post("checkout/review")
    await browser.post("checkout/contact", email="no address", first_name="Zoé")
    assert 'data-name="Order' not in await browser.panel()
    assert "Something is missing here" in (await browser.get("checkout/contact"))[1]


async def test_the_back_office_does_each_thing_once_and_in_order(stall):
    browser = stall.browser()
    await orders(browser)
    order = re.search(r"orders/(K-\w+)", await browser.panel())[1]
    for deed in ("deliver", "prepare", "prepare", "ship", "nonsense", "deliver", "refund", "ship"):
        assert (await browser.post(f"orders/{order}?do={deed}"))[0] == 303
    told = re.findall(r'data-name="Order (\w+)"', await browser.panel())
    assert told[2:] == ["Prepared", "Fulfilled", "Delivered", "Refunded"]


async def test_the_language_of_the_shop_is_that_of_the_mails(stall):
    browser = stall.browser()
    await browser.signs_up(agreed="yes")
    await browser.post("language", language="fr")
    assert "Le thé, et ce dans quoi on le boit" in (await browser.get(""))[1]
    await stall.passes("15d")
    assert any("Bonjour Zoé" in text_of(one) for one in stall.letters())


async def test_a_code_of_a_mail_is_taken_off_and_another_is_refused(stall):
    browser = stall.browser()
    await browser.signs_up(agreed="yes")
    await browser.post("cart", product_id="kyusu", quantity="1")
    await browser.post("coupon", code="ABCDE-FGHJK")
    assert "There is no such code" in (await browser.get("cart"))[1]
    assert 'data-name="Coupon Denied"' in await browser.panel()


# What it keeps apart.


async def test_nothing_is_done_for_who_has_no_session_or_comes_from_elsewhere(stall):
    browser = stall.browser()
    assert (await browser.post("clock", advance="3h"))[0] == 403
    assert (await browser.post("cart", product_id="kyusu"))[0] == 403
    assert (await browser.get("panel"))[0] == 403
    await browser.get("")
    for site in ("cross-site", "same-site"):
        assert await browser.posted_from(site, "clock", advance="3h") == 403
    assert stall.clock.now() == NOON


async def test_the_clock_takes_the_four_pushes_and_no_other(stall):
    browser = stall.browser()
    await browser.get("")
    for wrong in ("", "400d", "-3h", "abc"):
        assert (await browser.post("clock", advance=wrong))[0] == 400
    assert (await browser.post("clock", advance="15d"))[0] == 204
    assert stall.clock.now() == moment.later(NOON, days(15))


async def test_mails_and_orders_are_shown_to_their_own_session_alone(stall):
    ours, theirs = stall.browser(), stall.browser()
    await ours.signs_up()
    await stall.passes("10min")
    mail_id = re.search(r'data-mail="([0-9a-f-]+)"', await ours.panel())[1]
    await theirs.signs_up(email="max@example.org", visitor=VISITOR.replace("0", "1"))
    for path in (f"mails/{mail_id}", f"mails/{mail_id}/source"):
        assert (await ours.get(path))[0] == 200
        assert (await theirs.get(path))[0] == 404
    assert "zoe" not in await theirs.panel()
    assert (await theirs.get("orders/K-AAAAAA"))[0] == 404


async def test_what_is_typed_is_shown_and_never_obeyed(stall):
    browser = stall.browser()
    await browser.signs_up(first_name="<script>alert(1)</script>")
    for path in ("", "account", f"panel?visitor={VISITOR}"):
        assert "<script>alert" not in (await browser.get(path))[1]
    assert "&lt;script&gt;" in await browser.panel()


async def test_a_mail_in_its_frame_runs_nothing(stall):
    browser = stall.browser()
    await browser.signs_up()
    await stall.passes("10min")
    mail_id = re.search(r'data-mail="([0-9a-f-]+)"', await browser.panel())[1]
    policy = await browser.policy_of(f"mails/{mail_id}")
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "sandbox allow-top-navigation-by-user-activation" in policy


# Words.


def sentences() -> set[str]:
    env = jinja2.Environment(
        extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True, autoescape=True
    )
    env.policies["ext.i18n.trimmed"] = True
    said = {
        one
        for page in PAGES
        for _, _, one in env.extract_translations(page.read_text("utf-8"))
        if isinstance(one, str)
    }
    goods = {text for good in GOODS for text in (good.kind, good.about)}
    folder = ROOT / "actors" / "web" / "demo"
    code = "".join(file.read_text("utf-8") for file in sorted(folder.glob("*.py")))
    raised = re.findall(r'Refused\("([^"]+)"\)|notice = "([^"]+)"|, "(The code is [^"]+)"', code)
    return (
        said | goods | {*CATEGORIES.values()} | {text for found in raised for text in found if text}
    )


def test_every_sentence_is_in_french_and_no_other():
    french = Look(ROOT / "templates", settings_in(Path()).shop, "demo", "demo").catalogues["fr"]
    assert {*french.sentences} == sentences()
    for said in french.sentences.values():
        assert not re.search(r"(?<!\u00a0)[!?;:]", said), said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_holds_no_script_and_no_style_and_asks_nobody_else(page):
    text = page.read_text("utf-8")
    assert not re.search(r"<script(?! type=\"module\" src=\"/demo/)|<style|\sstyle=|\son\w+=", text)
    assert "http://" not in text
    assert "https://" not in text
