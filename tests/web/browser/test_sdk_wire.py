"""The browser SDK and the answers it gets: the conversation of the wire, with what is rare in it.

The other side is the service's own `Session`; the tests decide what becomes of a message.
"""

from __future__ import annotations

import time

import msgspec
import pytest

from proto import session
from tests.browsers import free_port
from tests.web.browser.front import Tab, front, until

OTHER_BROWSERS = "delete String.prototype.toWellFormed"  # before 2023


class Talk:
    """What the service says in one tab: `outcomes` are those of its messages, in turn; after them
    all is taken.
    """

    def __init__(self, context, window: int = 1_024) -> None:
        self.url = f"ws://127.0.0.1:{free_port()}/v1/events"
        self.outcomes: list[str] = []
        self.seen: list[str] = []
        self.taken: list[str] = []
        self.most_waiting = self.connections = 0
        self._window = window
        context.route_web_socket(self.url, self._serve)

    def _serve(self, route) -> None:
        self.connections += 1
        grant = session.Grant("k", "publishable")
        talk = session.Session(lambda _key: grant, "s1", window=self._window)
        route.on_message(lambda frame: self._hear(talk, route, frame))

    def _hear(self, talk: session.Session, route, frame: str) -> None:
        for action in talk.receive(frame, time.time_ns() // 1_000_000):
            match action:
                case session.Reply(data):
                    route.send(data)
                case session.Close(code, reason):
                    route.close(code=code, reason=reason)
                case session.Deliver(messages):
                    self.most_waiting = max(self.most_waiting, talk.unanswered)
                    for message in messages:
                        self._decide(talk, route, message)

    def _decide(self, talk: session.Session, route, message) -> None:
        self.seen.append(message.message_id)
        outcome = self.outcomes.pop(0) if self.outcomes else "ack"
        ids = [message.message_id]
        if outcome == "gone":
            route.close(code=1001)
            return
        if outcome == "silence":
            return
        if outcome == "ack":
            self.taken.append(message.event.product_id)
        answers = {"ack": talk.acked, "unknown": talk.unknown, "busy": lambda x: talk.busy(x, 50)}
        for answer in answers[outcome](ids):
            route.send(answer)


@pytest.fixture(scope="module")
def shop():
    with front() as shop:
        yield shop


@pytest.fixture
def context(browser):
    context = browser.new_context()
    yield context
    context.close()


@pytest.mark.parametrize("outcome", ["busy", "unknown", "gone"])
def test_what_was_not_taken_is_sent_again_under_its_id(context, shop, outcome):
    talk = Talk(context)
    talk.outcomes = ["ack", outcome]
    tab = Tab(context, shop, url=shop.url, socket=talk.url).init()
    tab.adds("a", "b")
    tab.empties()
    assert talk.taken == ["a", "b"]
    assert talk.seen[1] == talk.seen[2]
    assert talk.connections == (2 if outcome == "gone" else 1)
    assert tab.errors() == []


def test_a_connection_that_has_died_unnoticed_is_given_up(context, shop):
    talk = Talk(context)
    talk.outcomes = ["silence"]
    context.clock.install()
    tab = Tab(context, shop, url=shop.url, socket=talk.url).init()
    tab.adds("a")
    tab.until(lambda: talk.seen)
    assert tab.stored()
    tab.page.clock.run_for(32_000)
    tab.empties()
    assert (talk.taken, talk.connections, len(set(talk.seen))) == (["a"], 2, 1)


def test_a_connection_that_nobody_needs_is_closed_and_opened_again(context, shop):
    talk = Talk(context)
    context.clock.install()
    tab = Tab(context, shop, url=shop.url, socket=talk.url).init()
    tab.adds("a")
    tab.empties()
    tab.page.clock.run_for(32_000)
    tab.adds("b")
    tab.empties()
    assert (talk.taken, talk.connections, talk.seen) == (["a", "b"], 2, [*dict.fromkeys(talk.seen)])


def test_no_more_is_unanswered_than_the_window_allows(context, shop):
    talk = Talk(context, window=3)
    tab = Tab(context, shop, url=shop.url, socket=talk.url).init()
    tab.adds(*"abcdefgh")
    tab.empties()
    assert talk.taken == [*"abcdefgh"]
    assert talk.most_waiting == 3


def test_a_name_cut_in_the_middle_of_an_emoji_arrives(context, shop):
    talk = Talk(context)
    tab = Tab(context, shop, url=shop.url, socket=talk.url).init()
    tab.says(r"sdk.cart.add({product_id: 'a', name: 'Tea \ud83c'})")
    tab.empties()
    assert (talk.taken, tab.errors()) == (["a"], [])


def test_one_message_that_cannot_be_read_is_found_among_the_others(context, shop):
    context.add_init_script(OTHER_BROWSERS)
    talk = Talk(context)
    tab = Tab(context, shop, url=shop.url, socket=talk.url).init()
    tab.says(
        """const deep = JSON.parse("[".repeat(1500) + "]".repeat(1500));
        for (const name of ["a", "b", "c"]) sdk.cart.add(
            {product_id: name, ...(name === "b" && {deep})})"""
    )
    tab.empties()
    assert talk.taken == ["a", "c"]
    assert [one["code"] for one in tab.errors()] == ["invalid_frame"]


# Where sockets do not get through.


def deaf() -> str:
    return f"ws://127.0.0.1:{free_port()}/v1/events"


def nowhere() -> dict:
    return {"url": f"http://127.0.0.1:{free_port()}", "socket": deaf()}


def ids(body: bytes) -> list[str]:
    return [one["messageId"] for one in msgspec.json.decode(body)["batch"]]


def test_without_sockets_all_is_posted_once(context, shop):
    shop.bodies.clear()
    tab = Tab(context, shop, url=shop.url, socket=deaf()).init()
    tab.adds("a", "b")
    waiting = [one["messageId"] for one in tab.stored()]
    tab.empties()
    assert [ids(body) for body in shop.bodies] == [waiting]
    assert msgspec.json.decode(shop.bodies[0])["writeKey"] == "pk_test"


def test_what_an_answer_refuses_is_told_and_the_rest_was_taken(context, shop):
    shop.bodies.clear()
    tab = Tab(context, shop, **nowhere()).init()
    tab.adds("a", "b")
    bad = tab.stored()[1]["messageId"]
    refused = {"messageId": bad, "code": "invalid", "path": "$.batch[1].event", "reason": "no"}
    shop.answers[:] = [(400, {"success": False, "rejected": [refused]})]
    tab.init(url=shop.url, socket=False)
    tab.empties()
    assert len(shop.bodies) == 1
    assert tab.errors() == [{"code": "invalid", "reason": "no", "id": bad, "path": "$.event"}]


def test_a_body_that_cannot_be_read_is_sent_in_pieces(context, shop):
    shop.bodies.clear()
    tab = Tab(context, shop, **nowhere()).init()
    tab.adds("a", "b", "c")
    waiting = [one["messageId"] for one in tab.stored()]
    unread = (400, {"success": False, "message": "no JSON"})
    shop.answers[:] = [unread, (200, {}), unread]
    tab.init(url=shop.url, socket=False)
    tab.empties()
    assert [ids(body) for body in shop.bodies] == [waiting, *([one] for one in waiting)]
    assert [one["id"] for one in tab.errors()] == [waiting[1]]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_who_is_told_to_come_again_does(context, shop, status):
    shop.bodies.clear()
    shop.answers[:] = [(status, {"success": False})]
    tab = Tab(context, shop, url=shop.url, socket=False).init()
    tab.adds("a")
    tab.empties()
    assert len(shop.bodies) == 2
    assert ids(shop.bodies[0]) == ids(shop.bodies[1])


def test_a_key_that_is_refused_is_not_tried_again(context, shop):
    shop.bodies.clear()
    shop.answers[:] = [(401, {"success": False, "message": "no such key"})]
    tab = Tab(context, shop, url=shop.url, socket=False).init()
    tab.adds("a")
    until(tab.errors)
    tab.adds("b")
    assert [(one["code"], one["reason"]) for one in tab.errors()] == [
        ("unauthorized", "no such key")
    ]
    assert (len(shop.bodies), len(tab.stored())) == (1, 2)
