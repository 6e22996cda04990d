"""`run.py why-not` and `run.py forecast`, on the store of a service that has stopped."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.commands import resting
from tests.worlds import instant, open_world


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Zoe left a cart at ten, Ana did without saying that we may write; then the service stopped."""
    folder = tmp_path_factory.mktemp("rest")
    clock = MockClock(autojump_threshold=0)

    async def lives():
        async with open_world(folder, clock) as world:
            shop = await world.shop()
            await shop.knows("zoe")
            await shop.knows("ana", consent=False)
            await shop.adds("zoe", "cup")
            await shop.adds("ana", "cup")
            await world.until("2026-03-02 10:30")

    trio.run(lives, clock=clock)
    return folder


@pytest.fixture
def main(main, monkeypatch, data):
    monkeypatch.setattr(resting, "wall_now", lambda: instant("2026-03-02 10:30"))
    return lambda *words: main(*words, "--data", data)


def test_a_forecast_is_shown_and_told_to_scripts(main):
    status, out, err = main("forecast", "zoe", "--days", "1")
    assert (status, err) == (0, [])
    assert "cart/reminder" in out
    said = msgspec.json.decode(main("forecast", "zoe", "--json")[1])
    first = said["mails"][0]
    assert (first["kind"], first["at"]) == ("k07", "2026-03-02T10:00:00Z")
    assert said["now"] == "2026-03-02T09:30:00Z"


def test_what_if_is_read_from_a_file(main, tmp_path):
    event = {
        "type": "track",
        "event": "Cart Emptied",
        "properties": {"cart_id": "cart-zoe"},
    }
    file = tmp_path / "event.json"
    file.write_bytes(msgspec.json.encode(event))
    said = msgspec.json.decode(main("forecast", "zoe", "--what-if", file, "--json")[1])
    assert (said["what_if"], said["mails"]) == ("Cart Emptied", [])
    assert [one["reason"] for one in said["withheld"]] == ["stop_condition"]


def test_why_not_is_said_in_two_languages(main):
    status, out, _ = main("why-not", "ana", "cart", "--json")
    said = msgspec.json.decode(out)
    assert status == 0
    assert said["answer"]["reason"] == "consent"
    assert [change["kind"] for change in said["changes"]] == ["consent", "wait"]
    out = main("why-not", "ana", "cart", "--language", "fr")[1]
    assert "Il faudrait : le consentement à email_marketing" in out.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("why-not", "bob", "cart"), 1, "nobody has told anything of bob"),
        (("why-not", "ana", "carte"), 1, "did you mean cart?"),
        (("why-not", "ana", "cart", "--at", "then"), 1, "is no instant"),
        (("why-not", "ana"), 2, "programme"),
        (("why-not", "ana", "cart", "--language", "de"), 2, "invalid choice"),
        (("forecast", "bob"), 1, "nobody has told anything of bob"),
        (("forecast", "zoe", "--days", "soon"), 2, "invalid int value"),
        (("forecast", "zoe", "--days", "9999"), 1, "0 to 400"),
        (("forecast", "zoe", "--what-if", "/nowhere.json"), 2, "cannot read /nowhere.json"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(main, words, status, said):
    left, out, err = main(*words)
    assert (left, out) == (status, "")
    assert said in err[-1]
