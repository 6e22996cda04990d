"""The console: what an operator asks, what the service answers, and how a terminal shows it."""

from __future__ import annotations

import io
import itertools
import re
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
import trio
import trio_websocket
from rich.console import Console

from actors import call, gateway, service, settings, templates, terminal
from actors.client import connect
from actors.clock import WarpClock
from actors.outside import open_outside
from actors.store.memory import MemoryStore
from actors.store.port import Commit, HoldRow
from ecrm import programmes
from ecrm.moment import CustomerId, Instant
from tests.worlds import (
    LINK_KEY,
    OPERATOR,
    SECRET,
    instant,
    open_world,
    read_templates,
    settings_in,
)

OPS = ["status", "inspect", "journal", "timers", "queue", "programmes", "clock"]


@pytest.fixture
async def world(tmp_path, autojump_clock):
    """Zoe left a cart at ten; ana is known and has done nothing."""
    async with open_world(tmp_path, autojump_clock) as world:
        shop = await world.shop()
        await shop.knows("zoe", firstName="Zoé")
        await shop.adds("zoe", "cup")
        await shop.knows("ana")
        yield world


async def ask(websocket, frame):
    await websocket.send_message(
        frame if isinstance(frame, str) else msgspec.json.encode(frame).decode()
    )
    return msgspec.json.decode(await websocket.get_message())


# The conversation.


async def test_an_operator_is_welcomed_and_answered_by_number(autojump_clock, world):
    websocket = await world.dial(gateway.CONSOLE_PATH)
    welcome = await ask(websocket, {"type": "hello", "key": OPERATOR})
    assert welcome == {
        "type": "welcome",
        "session": "operator",
        "serverTime": "2026-03-02T09:00:00Z",
    }
    for request_id in (7, "seven"):
        answer = await ask(websocket, {"id": request_id, "op": "status"})
        assert (answer["id"], answer["ok"]) == (request_id, True)


@pytest.mark.parametrize(
    "hello",
    [
        {"type": "hello", "key": SECRET},
        {"type": "hello", "key": "wrong"},
        {"type": "hello"},
        {"id": 1, "op": "status"},
        [],
        "no json",
        '{"key": 5}',
    ],
)
async def test_without_an_operators_key_nothing_is_said(autojump_clock, world, hello):
    websocket = await world.dial(gateway.CONSOLE_PATH)
    error = await ask(websocket, hello)
    assert (error["type"], error["code"]) == ("error", "unauthorized")
    assert "operator key" in error["reason"]
    with pytest.raises(trio_websocket.ConnectionClosed) as closed:
        await websocket.get_message()
    assert closed.value.reason.code == 4401


async def test_who_says_nothing_for_ten_seconds_is_turned_away(autojump_clock, world):
    websocket = await world.dial(gateway.CONSOLE_PATH)
    began = trio.current_time()
    error = msgspec.json.decode(await websocket.get_message())
    assert error["code"] == "unauthorized"
    assert trio.current_time() - began == 10


@pytest.mark.parametrize(
    ("frame", "code", "said"),
    [
        ({"id": 1, "op": "sing"}, "unknown_op", "there are status, inspect"),
        ({"id": 1, "op": "inspect"}, "missing", "name a customer"),
        ({"id": 1, "op": "inspect", "customer": "bob"}, "unknown_customer", "bob"),
        ({"id": 1, "op": "timers", "customer": "bob"}, "unknown_customer", "bob"),
        ({"id": 1, "op": "journal", "customer": "bob"}, "unknown_customer", "bob"),
        ({"id": 1, "op": "clock", "advance": "3h"}, "no_warp", "serve --warp"),
        ({"id": 1, "op": "queue", "state": "lost"}, "invalid", "state"),
        ({"op": "status"}, "invalid", "id"),
        ({"id": 1}, "invalid", "op"),
        ("[]", "invalid", "no request"),
        ("not json", "invalid", "no request"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_the_conversation_goes_on(
    autojump_clock, world, frame, code, said
):
    websocket = await world.console()
    answer = await ask(websocket, frame)
    assert answer["ok"] is False
    assert answer["error"]["code"] == code
    assert said in answer["error"]["reason"]
    assert (await ask(websocket, {"id": 2, "op": "status"}))["ok"] is True


# What is asked.


async def test_status_counts_what_there_is(autojump_clock, world):
    await world.until("2026-03-02 11:00")
    status = (await world.ask("status"))["result"]
    assert (status["now"], status["since"]) == ("2026-03-02T10:00:00Z", "2026-03-02T09:00:00Z")
    assert status["warp"] is False
    # Nothing was heard of ana for an hour: she is on disk.
    assert (status["customers"], status["active"]) == (2, 1)
    assert status["alarms"] == 1
    assert (status["quarantined"], status["held"]) == (0, 0)
    assert status["intake"] == {"waiting": 0, "bytes": 0, "refused": 0}
    assert status["queue"] == {"accepted": 1}
    assert status["sent"] == 1
    assert status["products"] == 0


async def test_inspect_shows_who_it_is_what_waits_and_what_happened(autojump_clock, world):
    found = (await world.ask("inspect", customer="zoe"))["result"]
    assert found["customer"] == "zoe"
    assert found["state"]["person"]["first_name"] == "Zoé"
    assert found["state"]["cart"]["lines"][0]["product_id"] == "cup"
    assert found["timers"] == [
        {"due": "2026-03-02T10:00:00Z", "programme": "cart", "step": "reminder"}
    ]
    told = list(itertools.chain(*(turn["facts"] for turn in found["journal"])))
    assert "is Zoé <zoe@customers.example>" in told
    assert "1 of cup went into the cart" in told
    assert "cart waits for reminder until 2026-03-02T10:00:00Z" in told


async def test_inspect_says_why_a_cart_mail_was_not_sent(autojump_clock, world):
    shop = await world.shop()
    await world.until("2026-03-02 10:30")
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-03-02 13:00")
    assert [kind for kind, _ in world.kinds("zoe")] == ["k11"]
    found = (await world.ask("inspect", customer="zoe"))["result"]
    told = "\n".join(itertools.chain(*(turn["facts"] for turn in found["journal"])))
    assert "left cart: stop_condition" in told
    assert "Order Completed o1" in told
    assert "k07 reminder will not be sent" in told


async def test_inspect_says_which_condition_failed_and_what_was_seen(autojump_clock, world):
    shop = await world.shop()
    await shop.pays("ana", "o1", "cup")
    await shop.ships("ana", "o1")
    await shop.track("ana", "Shipment Updated", order_id="o1", status="lost")
    await world.until("2026-03-17 10:00")
    found = (await world.ask("inspect", customer="ana"))["result"]
    told = list(itertools.chain(*(turn["facts"] for turn in found["journal"])))
    (withheld,) = [sentence for sentence in told if "k17" in sentence]
    assert "is not sent: condition" in withheld
    assert "order.undelivered" in withheld


async def test_the_journal_is_read_a_page_at_a_time_backwards(autojump_clock, world):
    shop = await world.shop()
    for number in range(5):
        await shop.track("ana", "Product Viewed", product_id=f"p{number}")
    whole = (await world.ask("journal", customer="ana"))["result"]["journal"]
    last = (await world.ask("journal", customer="ana", limit=3))["result"]["journal"]
    before = (await world.ask("journal", customer="ana", limit=3, before=last[0]["seq"]))["result"]
    assert last == whole[-3:]
    assert before["journal"] == whole[-6:-3]


async def test_the_queue_is_shown_by_state_and_by_customer(autojump_clock, world):
    shop = await world.shop()
    await world.until("2026-03-02 11:00")
    await shop.pays("ana", "o1", "cup")
    await world.passes(0)
    everything = (await world.ask("queue"))["result"]
    assert everything["counts"] == {"accepted": 2}
    mails = [(row["customer"], row["kind"], row["programme"]) for row in everything["mails"]]
    assert mails == [
        ("ana", "k11", "confirmation/confirmed"),
        ("zoe", "k07", "cart/reminder"),
    ]
    assert everything["mails"][1]["at"] == "2026-03-02T10:00:00Z"
    of_zoe = (await world.ask("queue", customer="zoe"))["result"]["mails"]
    assert [row["customer"] for row in of_zoe] == ["zoe"]
    assert (await world.ask("queue", state="queued"))["result"]["mails"] == []
    assert len((await world.ask("queue", limit=1))["result"]["mails"]) == 1


async def test_programmes_are_told_with_their_words_and_steps(autojump_clock, world):
    told = (await world.ask("programmes"))["result"]
    assert list(told) == [one.name for one in programmes.ALL]
    assert told["cart"]["doc"].startswith("Left cart")
    assert told["cart"]["leave"] == ["Cart Emptied"]
    step = told["cart"]["steps"][1]
    assert step["name"] == "offer"
    assert step["delay"] == "the latest of 2d after Product Added, 2d after Checkout Started"
    assert step["when"] == "cart.lines > 0"


async def test_looking_changes_nothing(autojump_clock, world):
    before = await world.past("zoe")
    for op in OPS:
        await world.ask(op, customer="zoe")
    assert await world.past("zoe") == before


async def test_a_customer_on_hold_is_said_to_be(autojump_clock, tmp_path):
    async with warped(tmp_path) as (running, store, _):
        hold = HoldRow(CustomerId("zoe"), Instant(0), "coffee was spilt on it")
        await store.commit(Commit(holds=[hold]))
        answer = await running.console.answer('{"id": 1, "op": "inspect", "customer": "zoe"}')
    assert answer["error"]["code"] == "held"
    assert "spilt" in answer["error"]["reason"]


# The clock.


@asynccontextmanager
async def warped(folder):
    """A service on a clock that stands until it is pushed, at ten in the morning in Paris."""
    configured = settings_in(folder)
    clock = WarpClock(instant("2026-03-02 10:00"), rate=0)
    store = MemoryStore(clock.now)
    read = read_templates(templates.ROOT, configured.shop)
    async with (
        open_outside() as outside,
        service.running(configured, store, clock, outside, LINK_KEY, read) as running,
    ):
        yield running, store, clock


async def test_the_clock_is_pushed_to_where_everything_due_is_handed_over(tmp_path):
    async with warped(tmp_path) as (running, _, clock):
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_listeners, running.gateway.serve_stream, listeners)
            nursery.start_soon(serve)
            await left_a_cart(port)
            ask = partial(call.ask, "127.0.0.1", port, OPERATOR)
            assert await ask({"op": "clock"}) == {"now": "2026-03-02T09:00:00Z"}
            pushed = await ask({"op": "clock", "advance": "3h"})
            assert pushed == {"now": "2026-03-02T12:00:00Z"}
            letters = list((running.settings.maildir / "new").iterdir())
            assert len(letters) == 1
            assert b"X-Ecrm-Kind: k07" in letters[0].read_bytes()
            queue = await ask({"op": "queue"})
            assert queue["counts"] == {"accepted": 1}
            assert (await ask({"op": "status"}))["warp"] is True
            with pytest.raises(call.Unanswered, match="is no duration"):
                await ask({"op": "clock", "advance": "soon"})
            nursery.cancel_scope.cancel()
        assert clock.now() == instant("2026-03-02 13:00")


async def left_a_cart(port):
    async with connect(f"ws://127.0.0.1:{port}{gateway.EVENTS_PATH}", SECRET) as client:
        who = {"userId": "zoe"}
        consent = {"purpose": "email_marketing", "state": "granted"}
        refused = await client.send(
            [
                {"type": "identify", "messageId": "1", "traits": {"email": "z@customers.example"}, **who},
                {"type": "track", "messageId": "2", "event": "Consent Updated", "properties": consent, **who},
                {"type": "track", "messageId": "3", "event": "Product Added", "properties": {"product_id": "cup"}, **who},
            ]
        )  # fmt: skip
        assert refused == []


async def test_status_says_how_the_house_its_slots_and_its_post_stand(autojump_clock, world):
    shop = await world.shop()
    await shop.pays("zoe", "o1", "cup")
    await world.passes(60_000)
    gate = world.service.delivery.gate
    gate.back_off("orange.fr", world.clock.now())
    gate.breaker.trip(world.clock.now(), "535 who are you")
    status = (await world.ask("status"))["result"]
    assert status["slots"]["hot"] + status["slots"]["cold"] == status["customers"]
    assert re.fullmatch(
        r"[\d.]+ m?s on average, 99 % (within|over) [\d.]+ m?s", status["times"]["turns"]
    )
    assert re.fullmatch(r"[1-9]\d* MiB", status["memory"])
    assert status["door"]["out now"] == 0
    assert float(status["door"]["busy in all"].removesuffix(" s")) >= 0
    assert status["lanes"] == {"1": "accepted 1"}
    assert re.fullmatch(r"open until 2026-03-02T09:\d\d:\d\dZ: 535 who are you", status["breaker"])
    assert "1 failures in a row, rests until 2026-03-02T09:0" in status["destinations"]["orange.fr"]
    assert " a second, pace " in status["destinations"]["all together"]
    assert status["due"] == 0
    assert "orange.fr: " in shown(status)


# The terminal.


@pytest.mark.parametrize(
    ("typed", "request_"),
    [
        ("status", {"op": "status"}),
        ("  programmes ", {"op": "programmes"}),
        ("inspect c42", {"op": "inspect", "customer": "c42"}),
        ("inspect 'a b'", {"op": "inspect", "customer": "a b"}),
        ("journal c42", {"op": "journal", "customer": "c42"}),
        ("timers visitor:v1", {"op": "timers", "customer": "visitor:v1"}),
        ("queue", {"op": "queue"}),
        ("queue queued", {"op": "queue", "state": "queued"}),
        ("queue queued c42", {"op": "queue", "state": "queued", "customer": "c42"}),
        ("queue c42", {"op": "queue", "customer": "c42"}),
        ("customers", {"op": "customers"}),
        ("customers zo", {"op": "customers", "search": "zo"}),
        ("customers zo zoe", {"op": "customers", "search": "zo", "after": "zoe"}),
        ("mail m1", {"op": "mail", "mail": "m1"}),
        ("pause all", {"op": "pause", "reason": ""}),
        ("pause all wrong prices", {"op": "pause", "reason": "wrong prices"}),
        (
            "pause transport smtp",
            {"op": "pause", "scope": "transport", "name": "smtp", "reason": ""},
        ),
        ("drain a new machine", {"op": "drain", "reason": "a new machine"}),
        ("cancel-mail m1 why not", {"op": "cancel-mail", "mail": "m1", "reason": "why not"}),
        ("quarantine", {"op": "quarantine"}),
        ("quarantine 7", {"op": "quarantine", "number": 7}),
        ("release c42", {"op": "release", "customer": "c42"}),
        ("operations", {"op": "operations"}),
        ("clock", {"op": "clock"}),
        ("clock advance 15d", {"op": "clock", "advance": "15d"}),
        ("clock advance 1d 12h", {"op": "clock", "advance": "1d12h"}),
        ("why-not c42 cart", {"op": "why-not", "customer": "c42", "programme": "cart"}),
        (
            "why-not c42 cart --at 2026-03-02T10:00 --language fr",
            {
                "op": "why-not",
                "customer": "c42",
                "programme": "cart",
                "at": "2026-03-02T10:00",
                "language": "fr",
            },
        ),
        ("forecast c42 --days 30", {"op": "forecast", "customer": "c42", "days": 30}),
        ("at c42 --turn 3", {"op": "at", "customer": "c42", "turn": 3}),
        ("at c42 --seq 12 --steps 2", {"op": "at", "customer": "c42", "seq": 12, "steps": 2}),
    ],
)
def test_what_is_typed_is_what_is_asked(typed, request_):
    assert terminal.parse(typed) == request_


def test_the_event_of_a_what_if_is_read_from_its_file(tmp_path):
    file = tmp_path / "event.json"
    file.write_text('{"type": "track", "event": "Order Paid"}')
    asked = terminal.parse(f"forecast c42 --what-if {file}")
    assert asked["event"] == {"type": "track", "event": "Order Paid"}
    for bad, said in (("[1]", "holds no event"), ("{", "is no JSON")):
        file.write_text(bad)
        with pytest.raises(ValueError, match=said):
            terminal.parse(f"at c42 --what-if {file}")
    with pytest.raises(ValueError, match="cannot read"):
        terminal.parse(f"at c42 --what-if {tmp_path}/none")


@pytest.mark.parametrize(
    "typed",
    [
        "", "sing", "status now", "inspect", "inspect a b", "journal", "timers",
        "queue queued c42 more", "queue c42 c43", "pause", "pause lane", "quarantine x", "release",
        "customers a b c", "clock back 3h", "clock advance", "inspect 'c42",
        "why-not c42", "forecast", "forecast --days 3", "forecast c42 --days", "at c42 --sequel 3",
    ],
)  # fmt: skip
def test_what_is_mistyped_is_answered_in_one_line(typed):
    with pytest.raises(ValueError, match=r"is not understood|wants a customer") as refused:
        terminal.parse(typed)
    assert "\n" not in str(refused.value)


def shown(result, width=400):
    out = Console(file=io.StringIO(), width=width, highlight=False)
    terminal.show(result, out)
    return out.file.getvalue()


@pytest.mark.parametrize(
    ("op", "holds"),
    [
        ("status", ["now", "2026-03-02T10:00:00Z", "intake", "waiting: 0"]),
        ("inspect", ["zoe@customers.example", "cart waits for offer until 2026-03-04T09:00:00Z"]),
        ("journal", ["1 of cup went into the cart", "opened an account", "mail k07 is accepted"]),
        ("timers", ["timers: 2", "2026-03-04T09:00:00Z", "offer", "week-1"]),
        ("forecast", ["mails: ", "cart/offer", "Cart Emptied", "withheld"]),
        ("at", ["steps: 0", "zoe@customers.example", "no snapshot"]),
        ("queue", ["mails: 2", "k01", "k07", "cart/reminder", "accepted"]),
        ("programmes", ["Left cart", "graduated", "once in a lifetime"]),
    ],
)
async def test_every_answer_can_be_shown(autojump_clock, world, op, holds):
    shop = await world.shop()
    await shop.track("zoe", "Signed Up")
    await world.until("2026-03-02 11:00")
    text = shown((await world.ask(op, customer="zoe"))["result"])
    assert [held for held in holds if held not in text] == []


async def test_what_people_are_called_is_shown_as_it_is(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("mallory", firstName="[/red] [bold]:smile: [link=x]")
    text = shown((await world.ask("inspect", customer="mallory"))["result"])
    assert "[/red] [bold]:smile: [link=x]" in text


def test_a_narrow_terminal_breaks_no_id_of_a_mail():
    mail_id = "01890a5d-ac96-774b-bcce-b302099a8057"
    row = {
        "mail": mail_id,
        "customer": "c" * 40,
        "state": "accepted_unknown",
        "response": "x " * 60,
    }
    out = io.StringIO()
    terminal.show({"mails": [row]}, Console(file=out, width=80))
    assert mail_id in out.getvalue()


def test_a_long_text_is_shown_as_it_is():
    message = f"Subject: [bold]x[/bold]\n\n{'y' * 300}\nend"
    out = io.StringIO()
    terminal.show({"state": "accepted", "message": message}, Console(file=out, width=80))
    assert message in out.getvalue()


def test_an_answer_with_nothing_in_it_is_shown_too():
    text = shown({"customer": "", "timers": [], "counts": {}, "words": ["a", "b"], "none": None})
    assert "timers: 0" in text
    assert "words: 2" in text


async def test_a_terminal_without_a_service_says_what_to_do(tmp_path):
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    for listener in listeners:
        await listener.aclose()
    with pytest.raises(call.Unanswered, match=r"start one with run\.py serve"):
        await call.ask("127.0.0.1", port, OPERATOR, {"op": "status"})


async def test_a_terminal_with_a_wrong_key_says_which_is_wanted(tmp_path):
    async with warped(tmp_path) as (running, _, _):
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_listeners, running.gateway.serve_stream, listeners)
            nursery.start_soon(serve)
            with pytest.raises(call.Unanswered, match="ECRM_OPERATOR_KEY"):
                await call.ask("127.0.0.1", port, SECRET, {"op": "status"})
            nursery.cancel_scope.cancel()


async def test_settings_of_a_programme_say_where_they_come_from(autojump_clock, tmp_path):
    written = "[programmes.cart.steps.offer]\nafter = '3d'\n[programmes.welcome]\nenabled = false"
    (tmp_path / "ecrm.toml").write_text(written)
    found = settings.load(tmp_path / "ecrm.toml", tmp_path, {})
    changes = {"programmes": found.programmes, "written": found.written}
    async with open_world(tmp_path, autojump_clock, **changes) as world:
        told = (await world.ask("programmes"))["result"]
        cart = {row["setting"]: row for row in told["cart"]["settings"]}
        offer = "programmes.cart.steps.offer"
        assert cart[f"{offer}.after"]["from"] == f"ecrm.toml [{offer}]"
        assert cart[f"{offer}.after"]["value"].startswith("the latest of 3d after Product Added")
        assert cart[f"{offer}.offer"] == {
            "setting": f"{offer}.offer", "value": "10 % for the day", "from": "default",
        }  # fmt: skip
        assert told["welcome"]["enabled"] is False
        assert told["welcome"]["settings"][0]["from"] == "ecrm.toml [programmes.welcome]"
