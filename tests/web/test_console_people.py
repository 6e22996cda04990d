"""The console's customers: found, told as a life, and harmless whatever they are called."""

from __future__ import annotations

import re
from html import unescape

from actors.web.console.letters import inert
from tests.web.operators import HOSTILE, assert_harmless

ENCODED = "javascript:alert(1)//{{7*7}}&lt;b&gt;"


async def test_a_customer_is_found_by_the_beginning_of_the_id_or_the_address(
    autojump_clock, world, operator
):
    shop = await world.shop()
    await shop.knows("zoe", email="z@customers.example")
    await shop.knows("c 1/&?", email="Anna@customers.example")
    everybody = await operator.sees("/console/customers")
    assert "zoe" in everybody
    page = await operator.sees("/console/customers", search="ann")
    (to,) = re.findall(r'href="(/console/customer\?[^"]+)"', page)
    assert "anna@customers.example" in page
    assert "zoe" not in page
    assert "c 1/&amp;?" in await operator.sees(to)
    assert "begins with" in await operator.sees("/console/customers", search="nobody")


async def test_many_customers_are_shown_page_by_page(autojump_clock, world, operator):
    shop = await world.shop()
    for number in range(51):
        await shop.knows(f"c{number:02}", email=f"x{number}@customers.example")
    first = await operator.sees("/console/customers", search="c")
    assert "c49" in first
    assert ">c50<" not in first
    (after,) = re.findall(r'href="(/console/customers\?[^"]+)">The next', first)
    second = await operator.sees(after.replace("&amp;", "&"))
    assert ">c50<" in second
    assert ">c49<" not in second


async def test_nobody_is_on_two_pages_though_id_and_address_begin_alike(
    autojump_clock, world, operator
):
    shop = await world.shop()
    for number in range(7):
        await shop.knows(f"x{number}", email=f"x{6 - number}@customers.example")
    await shop.knows("zoe", email="x9@customers.example")
    seen, after = [], ""
    while True:
        found = (await world.ask("customers", search="x", after=after, limit=3))["result"]
        seen += [one["customer"] for one in found["customers"]]
        after = found.get("after", "")
        if not after:
            break
    assert seen == [*(f"x{number}" for number in range(7))]
    # As many addresses as are shown were those of people found by id: it is said, not hidden.
    assert found["more"] == "more addresses than these 3 begin so: give more of it"
    whole = (await world.ask("customers", search="x", limit=50))["result"]
    assert [one["customer"] for one in whole["customers"]] == [*seen, "zoe"]
    assert "more" not in whole


async def test_a_life_is_told_with_its_mails_and_what_was_not_sent(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe", firstName="Zoé", timezone="America/New_York")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 11:00")
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-03-02 12:00")
    await operator.enters()
    page = await operator.sees("/console/customer", id="zoe")
    assert "<h1>Zoé</h1>" in page
    assert "Mon 2 Mar 2026 05:00:00" in page
    assert "2026-03-02 10:00:00 UTC" in page
    assert "America/New_York" in page
    mails = re.findall(r'href="(/console/mail\?id=[\w-]+)">k(\d\d) ', page)
    assert [kind for _, kind in mails] == ["11", "07"]
    assert re.search(r'<li class="mail">mail k07 .*?>why</a></li>', page)
    assert re.search(r'<li class="unsent">left cart: stop_condition, .*?</li>', page)
    assert '<th scope="row">o1</th>' in page


async def test_a_timeline_is_narrowed_and_read_backwards(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe")
    for number in range(55):
        await shop.track("zoe", "Product Viewed", product_id=f"p{number}")
    await shop.pays("zoe", "o1", "cup")
    page = await operator.sees("/console/customer", id="zoe", show="orders")
    assert "placed order o1" in page
    assert "Product Viewed, happened" not in page
    newest = await operator.sees("/console/customer", id="zoe")
    (older,) = re.findall(r'href="([^"]+)">What happened before', newest)
    past = await operator.sees(older.replace("&amp;", "&").partition("#")[0])
    assert "looked at p0<" in past
    assert "looked at p54<" not in past
    assert "looked at p54<" in newest


async def test_nobody_and_nothing_is_said_to_be_so(autojump_clock, operator):
    for place, said in (
        ("/console/customer?id=bob", "nobody has told anything of bob"),
        ("/console/customer", "name a customer"),
        ("/console/mail?id=1", "there is no mail 1"),
        ("/console/mail", "name a mail"),
    ):
        answer = await operator.get(place)
        assert answer.status_code in (404, 409)
        assert said in await answer.get_data(as_text=True)


async def test_a_mail_says_why_it_went_and_how_it_looks(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe", firstName="Zoé")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 12:00")
    await operator.enters()
    (row,) = (await world.ask("queue"))["result"]["mails"]
    page = await operator.sees("/console/mail", id=row["mail"])
    why = (await world.ask("why", mail=row["mail"]))["result"]
    assert why["rule"].replace(">", "&gt;") in page
    assert "cart.lines was" in page
    assert "List-Unsubscribe:" in page
    answer = await operator.get("/console/mail/html", id=row["mail"])
    html = await answer.get_data(as_text=True)
    assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors 'self'; sandbox")
    assert "cup" in html
    assert not re.search(r"<a\b[^>]*\shref", html)


async def test_what_comes_and_why_something_did_not_are_told(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "cup")
    coming = (await world.ask("forecast", customer="zoe"))["result"]["mails"]
    page = await operator.sees("/console/customer", id="zoe")
    assert f"<strong>{coming[0]['kind']}</strong>" in page
    told = (await world.ask("why-not", customer="zoe", programme="review"))["result"]["why_not"]
    page = await operator.sees("/console/customer", id="zoe", programme="review")
    assert told in unescape(page)
    page = await operator.sees("/console/customer", id="zoe", programme=HOSTILE)
    assert "no programme is called" in page
    assert_harmless(page, "customer")


async def test_the_mailbox_holds_what_was_handed_over(autojump_clock, world, operator):
    shop = await world.shop()
    for who in ("zoe", "ana"):
        await shop.knows(who)
        await shop.pays(who, f"o-{who}", "cup")
    await world.passes(60_000)
    page = await operator.sees("/console/mailbox", customer="zoe")
    assert "k11 confirmation/confirmed" in page
    assert "customer?id=ana" not in page
    (row,) = (await world.ask("queue", customer="zoe"))["result"]["mails"]
    assert f"/console/mail?id={row['mail']}" in await operator.sees("/console/mailbox")


def test_a_look_at_a_mail_is_no_opening_and_no_click():
    token = "A" * 48
    shown = inert(
        f'<img alt="" src="https://shop.example/o/{token}" width="1"><img src="https://x.example/a">'
        f'<a class="b" href="https://shop.example/u/{token}" target="_blank">leave</a>'
    )
    assert f"/o/{token}" not in shown
    assert f"/u/{token}" not in shown
    assert 'src="https://x.example/a"' in shown
    assert '<a class="b" target="_blank">leave</a>' in shown


async def test_whatever_somebody_is_called_nothing_of_it_runs(autojump_clock, world, operator):
    shop = await world.shop()
    for bad in (HOSTILE, ENCODED):
        who = f"c{bad}"
        await shop.knows(
            who,
            email="hostile@customers.example",
            firstName=bad,
            lastName=bad,
            locale="en",
            phone=bad,
            timezone="Nowhere/<b>",
        )
        await shop.adds(who, bad, name=bad, url=ENCODED, image_url=ENCODED, variant=bad)
        await world.passes(90 * 60_000)
        await shop.pays(who, bad, bad)
        await shop.track(who, "Order Fulfilled", order_id=bad, fulfillment_id=bad, carrier=bad)
        await shop.track(who, "Support Ticket Opened", ticket_id=bad, subject=bad, status="open")
        await shop.track(who, "Product Reviewed", product_id=bad, rating=1, review_body=bad)
        await world.passes(60_000)
        rows = (await world.ask("queue", customer=who))["result"]["mails"]
        assert len(rows) >= 2
        await operator.enters()
        places = [("/console/customer", {"id": who}), ("/console/customers", {"search": "c"})]
        places += [("/console/customers", {"search": bad})]
        places += [("/console/mail", {"id": row["mail"]}) for row in rows]
        for place, about in places:
            assert_harmless(await operator.sees(place, **about), place)


async def test_an_address_is_freed_with_the_reason_and_the_key(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe")
    form = {"customer": "zoe", "reason": HOSTILE, "back": "/console/customer?id=zoe"}
    assert (await operator.does("unsuppress", **form)).startswith("Done: unsuppress. customer zoe")
    (noted,) = (await world.ask("operations"))["result"]["operations"]
    assert (noted["op"], noted["about"], noted["key"]) == ("unsuppress", "zoe", "operator")
    assert_harmless(await operator.sees("/console/"), "overview")
    assert_harmless(await operator.sees("/console/customer", id="zoe"), "customer")
