"""The demo shop in a real browser: how somebody new sees what the service does.

`visit` asserts besides that nothing is asked of another host and that the browser has no complaint.
"""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest

from actors.web.demo.visitors import COOKIE
from tests.browsers import AXE, DESK, PHONE, serving_demo, visit


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with serving_demo(tmp_path_factory.mktemp("demo")) as opened:
        yield opened


@contextmanager
def shopping(browser, demo, **options):
    with visit(browser, demo.web, cookies=(COOKIE,), **({"locale": "en"} | options)) as seen:
        seen.page.goto(demo.front)
        yield Shopper(seen)


class Shopper:
    """Somebody in the shop, who looks at the panel too."""

    def __init__(self, seen) -> None:
        self.seen, self.page = seen, seen.page

    def agrees(self) -> None:
        self.page.click("[data-agree=yes]")

    def arrives(self, title: str) -> None:
        self.page.get_by_role("heading", name=title, exact=True, level=1).wait_for()

    def puts(self, name: str) -> None:
        self.page.locator("#shop").get_by_role("link", name=name).first.click()
        self.arrives(name)
        self.page.get_by_role("button", name="Put into the cart").click()
        self.arrives("Your cart")

    def checks_out(self, until: str) -> None:
        """To a step of the checkout, having said that the shop may write."""
        self.page.get_by_role("link", name="To the checkout").click()
        self.arrives("Contact")
        self.page.get_by_label("Yes, write to me").check()
        steps = ("Address", "Shipping", "Payment")
        for step in steps[: steps.index(until) + 1]:
            self.goes_on(step)

    def goes_on(self, to: str) -> None:
        self.page.get_by_role("button", name="Continue").click()
        self.arrives(to)

    def passes(self, *spans: str) -> None:
        for span in spans:
            with self.page.expect_response("**/demo/clock"):
                self.page.locator(f"[data-advance='{span}']").click()
            self.page.locator("#says.done").wait_for()

    def does(self, deed: str) -> None:
        """Press a button of the back office beside the order."""
        button = self.page.locator("main .office").get_by_role("button", name=deed)
        button.click()
        button.wait_for(state="detached")

    def has(self, text: str) -> None:
        self.page.locator("#view").get_by_text(text).first.wait_for()

    def mails(self) -> list[str]:
        return self.page.locator("#view .mails .kind").all_inner_texts()

    def opens(self, kind: str):
        """A mail from the panel, in its frame."""
        self.page.locator("#view .mails button").filter(has_text=kind).first.click()
        return self.page.frame_locator("#part-html iframe")


def test_a_cart_that_was_left_is_bought_after_all_and_a_month_goes_by(browser, demo):
    with shopping(browser, demo) as shopper:
        page = shopper.page
        shopper.agrees()
        shopper.puts("Kyūsu Tokoname")
        shopper.checks_out("Payment")
        acked = page.locator("#events .acked").filter(has_text="Checkout Step Viewed")
        acked.filter(has_text="payment").wait_for()
        # The page has said who it speaks for, and proved it.
        page.locator("#events .acked").filter(has_text="Identified").first.wait_for()
        assert page.locator("#events .rejected").count() == 0
        shopper.passes("10min")
        shopper.has("k09")
        assert shopper.mails() == ["k09"]

        letter = shopper.opens("k09")
        letter.get_by_text("Kyūsu Tokoname").wait_for()
        letter.locator("a[href$='/demo/cart']").first.click()
        page.wait_for_url("**/demo/cart")
        shopper.arrives("Your cart")
        page.get_by_role("link", name="Kyūsu Tokoname").wait_for()

        page.get_by_role("link", name="To the checkout").click()
        shopper.arrives("Payment")
        shopper.goes_on("Review")
        page.get_by_role("button", name="Order and pay").click()
        shopper.has("k11")
        shopper.does("Prepare")
        shopper.does("Ship")
        shopper.passes("1d")
        shopper.does("Deliver")
        shopper.passes("15d", "15d")
        shopper.has("k18")

        sent = shopper.mails()
        assert {"k11", "k13", "k14", "k17", "k18"} <= {*sent}
        assert [kind for kind in sent if kind in ("k07", "k08", "k09", "k10")] == ["k09"]
        shopper.has("Cart Emptied by Order Completed")
        # What the panel shows is what is in the mailbox of this one person.
        owner = page.locator("#shop .tools").get_by_role("link", name="Léa")
        owner.click()
        shopper.arrives("Hello Léa")
        who = page.locator("main code").inner_text()
        assert sorted(str(one["X-Ecrm-Kind"]) for one in demo.letters(who)) == sorted(sent)


def test_a_code_from_a_mail_makes_the_cart_cheaper_for_whom_it_was_made(browser, demo):
    with shopping(browser, demo) as shopper:
        page = shopper.page
        shopper.agrees()
        shopper.puts("Chawan Hagi")
        shopper.checks_out("Address")
        # The offer of the cart is good for the day on which it is made: step by step up to it.
        shopper.passes("1d", "1d")
        for _ in range(8):
            if "k08" in shopper.mails():
                break
            shopper.passes("3h")
        letter = shopper.opens("k08")
        code = re.search(r"[2-9A-Z]{5}-[2-9A-Z]{5}", letter.locator("body").inner_text())[0]
        letter.locator("a[href$='/demo/cart']").first.click()
        page.get_by_label("A code from a mail").fill(code.lower())
        page.get_by_role("button", name="Apply").click()
        page.get_by_text("The code is taken off.").wait_for()
        shopper.seen.shows("−€5.40")
        page.locator("#events .acked").filter(has_text="Coupon Applied").wait_for()


def test_two_people_of_one_browser_are_two_customers(browser, demo):
    with shopping(browser, demo) as shopper:
        page = shopper.page
        shopper.agrees()
        known = page.locator("#view .known")
        page.get_by_role("link", name="Account").click()
        shopper.arrives("Sign up")
        for name in ("Ana", "Bob"):
            page.get_by_label("First name").fill(name)
            page.get_by_label("E-mail address").fill(f"{name.lower()}@example.org")
            page.get_by_role("button", name="Sign up").click()
            shopper.arrives(f"Hello {name}")
            known.get_by_text(f"{name.lower()}@example.org").wait_for()
            page.get_by_role("button", name="Sign out").click()
            shopper.arrives("Sign up")
        page.get_by_role("button", name="Ana").click()
        shopper.arrives("Hello Ana")
        page.get_by_role("link", name="Komorebi").click()
        shopper.puts("Matcha Uji")
        known.get_by_text("ana@example.org").wait_for()
        known.get_by_text("1 · €24.00").wait_for()
        # "As nobody" and "as Bob" know nothing of her cart.
        page.get_by_role("link", name="Ana").click()
        page.get_by_role("button", name="Bob").click()
        shopper.arrives("Hello Bob")
        known.get_by_text("bob@example.org").wait_for()
        assert "24.00" not in known.inner_text()


def test_nothing_is_told_before_consent_nor_after_a_refusal(browser, demo):
    with shopping(browser, demo) as shopper:
        page = shopper.page
        shopper.puts("Kyūsu Tokoname")
        page.locator("#held-count").get_by_text(re.compile("[1-9]")).wait_for()
        assert page.evaluate("localStorage.length") == 0
        page.click("[data-agree=no]")
        shopper.puts("Sencha Yame")
        assert page.locator("#events .state").count() == 0


def test_a_second_press_of_the_clock_waits_for_the_first(browser, demo):
    with shopping(browser, demo) as shopper:
        pushes = []
        shopper.page.on(
            "request", lambda one: pushes.append(one) if one.url.endswith("/clock") else None
        )
        shopper.page.locator("[data-advance='10min']").dblclick()
        shopper.page.locator("#says.done").wait_for()
        assert len(pushes) == 1


def test_the_parts_of_a_mail_are_reached_with_the_keyboard(browser, demo):
    with shopping(browser, demo) as shopper:
        page = shopper.page
        page.get_by_role("link", name="Account").click()
        page.get_by_role("button", name="Sign up").click()
        shopper.has("k01")
        shopper.opens("k01").get_by_text("Léa").first.wait_for()
        page.locator("#tab-html").focus()
        page.keyboard.press("ArrowRight")
        page.locator("#part-text pre").wait_for()
        page.keyboard.press("ArrowRight")
        page.get_by_text("Message-ID").wait_for()
        page.keyboard.press("Escape")
        page.locator("#letter").wait_for(state="hidden")


def test_the_shop_works_without_scripts(browser, demo):
    with shopping(browser, demo, java_script_enabled=False) as shopper:
        shopper.puts("Matcha Uji")
        shopper.seen.shows("€24.00")


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["375-dark", "1280-light"]
)
def test_every_page_fits_and_axe_finds_nothing_serious(browser, demo, viewport, scheme):
    if not AXE.exists():
        pytest.skip("there is no axe: python -m tests.install_peers")
    look = {"viewport": viewport, "color_scheme": scheme, "bypass_csp": True, "locale": "fr-FR"}
    with shopping(browser, demo, **look) as shopper:
        page = shopper.page

        def looks_good(where: str) -> None:
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert (where, wide) == (where, viewport["width"])
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            assert found["passes"], where
            grave = [
                (one["id"], node["html"])
                for one in found["violations"]
                if one["impact"] in ("serious", "critical")
                for node in one["nodes"]
            ]
            assert (where, grave) == (where, [])

        page.evaluate(AXE.read_text("utf-8"))
        looks_good("home")
        shopper.agrees()
        page.get_by_role("link", name="Kyūsu Tokoname").click()
        shopper.arrives("Kyūsu Tokoname")
        looks_good("product")
        page.get_by_role("button", name="Mettre au panier").click()
        shopper.arrives("Votre panier")
        looks_good("cart")
        page.get_by_role("link", name="Commander").click()
        for step in ("Contact", "Adresse", "Livraison", "Paiement", "Vérification"):
            shopper.arrives(step)
            looks_good(step)
            page.locator("main form .button").click()
        page.get_by_text("Arrière-boutique").first.wait_for()
        page.locator("#view .mails").wait_for(state="attached")
        looks_good("order")
        if viewport == PHONE:
            page.locator("#drawer").click()
        looks_good("machine")
        page.locator("#view .mails button").first.click()
        page.locator("#part-headers dl").wait_for(state="attached")
        looks_good("mail")
