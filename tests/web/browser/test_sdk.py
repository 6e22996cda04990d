"""The browser SDK, in a browser: what a page says arrives once, or is known not to have."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from proto import reception
from proto.codec import JSON
from proto.envelope import Message
from tests.browsers import free_port
from tests.web.browser.front import Service, Tab, front, until

SOON = 30_000  # ms


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("service"))
    service.start()
    yield service
    service.end()


@pytest.fixture
def fragile(tmp_path):
    """A service that is down, and that a test may start and end as it likes."""
    service = Service(tmp_path)
    yield service
    service.end()


@pytest.fixture(scope="module")
def shop():
    with front() as shop:
        yield shop


@pytest.fixture
def context(browser):
    """A browser of one person, who has never been here."""
    context = browser.new_context()
    context.set_default_timeout(SOON)
    yield context
    context.close()


@pytest.fixture
def opened(context, shop, service):
    """Open a tab of the shop, which has not called `init` yet."""

    def opened(**settings):
        return Tab(context, shop, **{"url": service.web, "socket": service.events, **settings})

    return opened


def nowhere() -> dict:
    """Addresses where nobody answers."""
    port = free_port()
    return {"url": f"http://127.0.0.1:{port}", "socket": f"ws://127.0.0.1:{port}/v1/events"}


def arrived(service, visitor: str, *products: str) -> None:
    """All of these, once each, and nothing else."""
    until(lambda: len(service.added(visitor)) >= len(products))
    assert service.added(visitor) == Counter(products)


# Saying.


def test_what_a_page_says_arrives_once_and_nothing_stays_behind(opened, service):
    tab = opened().init()
    tab.says("""
        sdk.page("home");
        sdk.searched("tea");
        sdk.product.viewed({product_id: "pot", price: 39.9, currency: "EUR"});
        sdk.product.listed(["pot", {product_id: 7}], {list_id: "teas"});
        sdk.cart.add("pot");
        sdk.cart.add({product_id: 12, price: 2}, {cart_id: "c1"});
        sdk.cart.remove("pot");
        sdk.cart.viewed([{product_id: 12, price: 2}], {cart_id: "c1"});
        sdk.wishlist.add("cup");
        sdk.wishlist.remove("cup");
        sdk.checkout.started({cart_id: "c1", products: [{product_id: "12"}]});
        sdk.checkout.step("address");
        sdk.checkout.completed("address", {cart_id: "c1"});
        sdk.checkout.completed(2);
        sdk.checkout.payment({payment_method: "card"});
        sdk.checkout.coupon("TEA10");
        sdk.cart.emptied("c1");
    """)
    tab.empties()
    journal = service.journal(f"visitor:{tab.visitor}")
    said = [line.partition(", happened")[0] for line in journal.splitlines() if "happened" in line]
    assert Counter(said) == Counter(
        {
            "Page Viewed": 1,
            "Products Searched": 1,
            "Product Viewed": 1,
            "Product List Viewed": 1,
            "Product Added": 2,
            "Product Removed": 1,
            "Cart Viewed": 1,
            "Product Added to Wishlist": 1,
            "Product Removed from Wishlist": 1,
            "Checkout Started": 1,
            "Checkout Step Viewed": 1,
            "Checkout Step Completed": 2,
            "Payment Info Entered": 1,
            "Coupon Entered": 1,
            "Cart Emptied": 1,
        }
    )
    assert len(tab.sent()) == len(set(tab.sent())) == 17
    assert (tab.errors(), tab.faults) == ([], [])
    assert tab.says("Object.keys(localStorage)") == ["ecrm:id"]


def test_a_module_from_the_service_needs_a_key_and_the_socket_only(opened, service):
    tab = opened()
    visitor = tab.page.evaluate(
        """async ([address, socket]) => {
            const {default: ecrm} = await import(address);
            ecrm.init({key: "pk_test", socket, consent: true});
            ecrm.cart.add("cup");
            return ecrm.anonymousId();
        }""",
        [f"{service.web}/static/ecrm.js", service.events],
    )
    arrived(service, visitor, "cup")


def test_what_is_rejected_is_told_and_given_up(opened, service):
    tab = opened().init()
    tab.says("""
        sdk.cart.add({product_id: "cup", price: "nine"});
        sdk.track("Order Paid", {order_id: "o1", total: 3, currency: "EUR"});
        sdk.cart.add("spoon");
    """)
    tab.empties()
    told = [(one["code"], one["path"]) for one in tab.errors()]
    assert told == [("invalid", "$.properties.price"), ("forbidden", "$")]
    arrived(service, tab.visitor, "spoon")
    assert len(tab.sent()) == 3


def test_a_key_that_nobody_knows_is_told_once_and_not_tried_again(opened):
    tab = opened(key="pk_wrong").init()
    tab.adds("cup")
    until(tab.errors)
    tab.adds("spoon")
    assert [one["code"] for one in tab.errors()] == ["unauthorized"]
    assert "no such key" in tab.errors()[0]["reason"]
    assert (len(tab.frames), tab.sent()) == (1, [])
    assert len(tab.stored()) == 2


HOSTILE = """
() => {
    const circle = {}; circle.circle = circle;
    const deep = {product_id: "deep"}; let at = deep; for (let i = 0; i < 3_000; i++) at = at.in = {};
    sdk.cart.add(deep);
    const worst = [undefined, null, 0, NaN, -1, 1n, "", "x", "\\ud83d", true, Symbol("s"), [], [[]],
        {}, circle, () => { throw 1 }, new Proxy({}, {ownKeys() { throw 2 }, get() { throw 3 }}),
        {toString() { throw 4 }}, {toJSON() { throw 5 }}, {get product_id() { throw 6 }},
        "y".repeat(100_000), new Date(NaN), window, document, Object.create(null)];
    const calls = [];
    const find = (tree) => Object.values(tree).forEach(
        (one) => typeof one === "function" ? calls.push(one) : find(one));
    find(sdk);
    let thrown = [];
    for (const call of calls) {
        if (call === sdk.consent || call === sdk.reset) continue;
        for (const a of worst) for (const b of [undefined, worst[16]]) {
            try { call(a, b, a) } catch (error) { thrown.push(String(error)) }
        }
    }
    for (const a of worst) try { if (typeof a !== "boolean") sdk.consent(a) } catch (error) { thrown.push(error) }
    return [calls.length, thrown];
}
"""


def test_no_argument_makes_it_throw_and_all_goes_on_after_it(opened, service):
    tab = opened().init()
    calls, thrown = tab.says(HOSTILE)
    assert (calls > 20, thrown, tab.faults) == (True, [], [])
    tab.init(queueSize=10_000)
    tab.adds("cup")
    until(lambda: service.added(tab.visitor)["cup"])
    assert service.added(tab.visitor)["cup"] == 1
    assert tab.faults == []


def test_a_mistake_in_on_error_stays_the_pages_own(opened):
    tab = opened()
    tab.says("sdk.init({key: 'pk_test', onError: () => { throw 1 }}); sdk.track(); sdk.track(7)")
    assert tab.faults == []


# The service is away.


def test_what_is_said_while_the_service_is_away_arrives_once_under_the_ids_it_had(opened, fragile):
    tab = opened(url=fragile.web, socket=fragile.events).init()
    tab.adds("cup", "spoon")
    tab.open()
    tab.init()
    tab.adds("pot")
    waiting = [one["messageId"] for one in tab.stored()]
    assert len(waiting) == 3
    fragile.start()
    tab.says("dispatchEvent(new Event('online'))")
    tab.empties()
    assert tab.sent() == waiting
    arrived(fragile, tab.visitor, "cup", "spoon", "pot")


def test_two_hundred_events_survive_a_service_that_is_killed_among_them(opened, fragile):
    fragile.start()
    tab = opened(url=fragile.web, socket=fragile.events).init()
    tab.says("""
        window.said = 0;
        const telling = setInterval(() => {
            for (let i = 0; i < 4 && said < 200; i++) sdk.cart.add(`p${said++}`);
            if (said === 200) clearInterval(telling);
        }, 20);
    """)
    until(lambda: sum(fragile.added(tab.visitor).values()) > 20)
    fragile.end(signal.SIGKILL)
    fragile.start()
    until(lambda: tab.says("said") == 200)
    until(tab.is_empty)
    arrived(fragile, tab.visitor, *(f"p{number}" for number in range(200)))


def test_no_more_waits_than_the_page_allows_and_the_newest_stays(opened):
    tab = opened(**nowhere(), queueSize=3).init()
    tab.adds("a", "b", "c", "d", "e")
    kept = [one["properties"]["product_id"] for one in tab.stored()]
    assert kept == ["c", "d", "e"]
    assert [one["code"] for one in tab.errors()] == ["dropped", "dropped"]


def test_a_message_too_large_to_travel_is_told_at_once(opened):
    tab = opened(**nowhere()).init()
    tab.says("sdk.cart.viewed(Array(2_000).fill({product_id: 'x', name: 'y'.repeat(50)}))")
    assert [one["code"] for one in tab.errors()] == ["too_large"]
    assert tab.is_empty()


# The page goes.


def test_what_is_said_as_the_page_closes_arrives(context, shop):
    tab = Tab(context, shop, **nowhere() | {"url": shop.url}).init()
    posted = len(shop.bodies)
    tab.adds("cup", "spoon")
    ids = [one["messageId"] for one in tab.stored()]
    tab.page.close(run_before_unload=True)
    until(lambda: len(shop.bodies) > posted)
    body = shop.bodies[posted]
    # What a beacon carries is what the service takes.
    batch = JSON.batch(body)
    taken = [
        reception.receive(JSON, raw, 2 * 10**12, "publishable", sent_at=batch.sent_at)
        for raw in batch.batch
    ]
    assert b'"writeKey":"pk_test"' in body
    assert all(isinstance(one, Message) for one in taken)
    assert [one.message_id for one in taken] == ids


def test_the_next_page_sends_what_the_last_one_could_not(opened, service):
    first = opened(**nowhere()).init()
    first.adds("cup")
    ids = [one["messageId"] for one in first.stored()]
    first.page.close()
    second = opened()
    second.finds(1)
    second.init()
    second.empties()
    assert second.sent() == ids
    arrived(service, second.visitor, "cup")


# Several tabs of one browser.


def test_two_tabs_are_one_visitor_and_each_says_its_own(opened, service):
    one, other = opened().init(), opened().init()
    one.until(lambda: one.visitor == other.visitor)
    one.adds(*(f"a{number}" for number in range(20)))
    other.adds(*(f"b{number}" for number in range(20)))
    one.empties()
    arrived(
        service,
        one.visitor,
        *(f"a{number}" for number in range(20)),
        *(f"b{number}" for number in range(20)),
    )


def test_a_tab_leaves_alone_what_another_has_stored(opened, service):
    away = nowhere()
    one, other = opened(**away).init(), opened(**away).init()
    one.adds("a", "b")
    other.adds("c")
    one.adds("d")
    one.finds(4)
    other.finds(4)
    one.page.close()
    other.init(url=service.web, socket=service.events)
    other.empties()
    arrived(service, other.visitor, "a", "b", "c", "d")


def test_a_message_that_one_tab_brought_home_is_not_sent_by_the_other(opened, service):
    away = opened(**nowhere()).init()
    away.adds("cup")
    helper = opened()
    helper.finds(1)
    helper.init()
    helper.empties()
    away.finds(0)
    away.init(url=service.web, socket=service.events)
    away.adds("spoon")
    away.empties()
    arrived(service, away.visitor, "cup", "spoon")
    assert len(away.sent()) == 1


def test_a_consent_or_a_refusal_counts_in_all_tabs(opened, service):
    one, other = opened(consent=None).init(), opened(consent=None).init()
    assert one.visitor != other.visitor
    other.adds("cup")
    one.says("sdk.consent(true)")
    until(lambda: one.visitor == other.visitor)
    arrived(service, one.visitor, "cup")
    other.says("sdk.consent(false)")
    until(lambda: one.says("sdk.anonymousId() !== localStorage['ecrm:id']"))
    one.adds("spoon")
    assert one.says("localStorage.length") == 0


# Consent and privacy.


def test_before_consent_nothing_is_stored_and_nothing_sent(opened, service):
    tab = opened(consent=None)
    asked = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.init()
    tab.adds("cup")
    tab.says("sdk.reset(); sdk.page()")
    tab.page.reload()
    tab.page.wait_for_function("window.sdk")
    tab.init()
    tab.adds("spoon")
    assert tab.says("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert (tab.frames, [url for url in asked if not url.startswith(tab.shop.url)]) == ([], [])

    # What this page has said waited for the answer.
    tab.says("sdk.consent(true)")
    tab.empties()
    assert tab.says("localStorage['ecrm:id']") == tab.visitor
    arrived(service, tab.visitor, "spoon")


def test_a_consent_is_remembered_and_a_refusal_wipes(opened, service):
    tab = opened().init()
    visitor = tab.visitor
    tab.open()
    tab.init(consent=None)
    assert tab.visitor == visitor
    tab.adds("cup")
    arrived(service, visitor, "cup")
    tab.empties()
    tab.init(**nowhere(), consent=None)
    tab.adds("spoon")
    tab.says("sdk.consent(false)")
    assert tab.says("localStorage.length") == 0
    assert tab.visitor != visitor
    tab.init(consent=None)
    tab.adds("pot")
    sent = len(tab.sent())
    tab.says("sdk.consent(true)")
    tab.adds("lamp")
    tab.empties()
    arrived(service, tab.visitor, "lamp")
    assert len(tab.sent()) == sent + 1


def test_after_a_logout_the_next_person_is_another_visitor(opened, service):
    tab = opened().init()
    first = tab.visitor
    tab.adds("ring")
    tab.says("sdk.reset()")
    tab.adds("cup")
    second = tab.visitor
    tab.empties()
    assert first != second
    arrived(service, first, "ring")
    arrived(service, second, "cup")
    tab.open()
    assert tab.init().visitor == second


def test_a_proof_travels_with_the_identity_it_proves(opened):
    tab = opened(**nowhere()).init()
    tab.says("sdk.identify('c42', {firstName: 'Zoé'}, {userHash: 'ab12'}); sdk.cart.add('cup')")
    identity, cart = tab.stored()
    assert (identity["type"], identity["userId"], identity["userHash"]) == (
        "identify",
        "c42",
        "ab12",
    )
    assert identity["traits"] == {"firstName": "Zoé"}
    assert identity["anonymousId"] == cart["anonymousId"] == tab.visitor
    assert "userHash" not in cart


# Storage that is not there.


BROKEN = {
    "switched off": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
    "not there": "Object.defineProperty(window, 'localStorage', {value: null})",
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN.keys())
def test_storage_that_fails_does_no_harm(context, opened, service, script):
    context.add_init_script(script)
    tab = opened().init()
    tab.adds("cup", "spoon")
    arrived(service, tab.visitor, "cup", "spoon")
    assert [one["code"] for one in tab.errors()] in ([], ["storage"])
    assert tab.faults == []
