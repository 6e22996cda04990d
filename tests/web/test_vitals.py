"""What a monitor asks: is it alive, can it do its work, how is it doing."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from actors.figures import STUCK
from actors.settings import WebSection
from ecrm.delivery.limiter import limit
from ecrm.errors import StoreBroken
from tests.worlds import OPERATOR, SECRET, open_world

HOUSE = Path(__file__).parents[2]
NEAR, FAR = "127.0.0.1", "203.0.113.7"
VITALS = ("/metrics", "/readyz")


async def get(world, path, peer=NEAR, **headers):
    """The status, the text and the media type of a page, as somebody at `peer` gets it."""
    client = world.service.web.app.test_client()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.get(path, headers=named, scope_base={"client": (peer, 4711)})
    return answer.status_code, await answer.get_data(as_text=True), answer.content_type


async def scraped(world):
    """What is served, by name and the values of the labels in the order of their names."""
    status, text, _ = await get(world, "/metrics")
    assert status == 200
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def readiness(world):
    status, text, kind = await get(world, "/readyz")
    assert kind == "application/json"
    return status, msgspec.json.decode(text)


# Who may ask.


async def test_that_the_process_answers_is_for_everybody(autojump_clock, world):
    assert (await get(world, "/healthz", FAR))[:2] == (200, "ok\n")
    assert (await get(world, "/healthz", FAR, X_Forwarded_For="10.0.0.1"))[:2] == (200, "ok\n")


@pytest.mark.parametrize("path", VITALS)
async def test_for_a_stranger_there_is_no_such_page(autojump_clock, world, path):
    there, nowhere = await get(world, path, FAR), await get(world, "/nowhere", FAR)
    assert there == nowhere
    assert there[0] == 404


@pytest.mark.parametrize("path", VITALS)
@pytest.mark.parametrize(
    ("said", "status"),
    [
        (f"Bearer {OPERATOR}", 200),
        ("Basic b2tfdGVzdDo=", 200),
        (f"Bearer {SECRET}", 404),
        ("Bearer wrong", 404),
        ("Bearer", 404),
        ("Digest x=1", 404),
        ("", 404),
    ],
)
async def test_from_afar_an_operators_key_is_wanted(autojump_clock, world, path, said, status):
    assert (await get(world, path, FAR, Authorization=said))[0] == status


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_may_ask(autojump_clock, world, peer):
    assert (await get(world, "/metrics", peer))[0] == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1"])
async def test_what_an_unknown_proxy_passes_on_is_not_from_this_machine(
    autojump_clock, world, header, peer
):
    assert (await get(world, "/metrics", peer, **{header: "127.0.0.1"}))[0] == 404


async def test_through_a_trusted_proxy_it_counts_who_asked(autojump_clock, tmp_path):
    web = WebSection(trusted_proxies=("127.0.0.1",), metrics_from=("127.0.0.1", "10.1.0.0/16"))
    async with open_world(tmp_path, autojump_clock, web=web) as world:
        for asked, status in {
            "10.1.2.3": 200,
            "10.2.2.3": 404,
            f"127.0.0.1, {FAR}": 404,
            f"{FAR}, 10.1.2.3": 200,
            "nobody": 404,
        }.items():
            assert (asked, (await get(world, "/metrics", X_Forwarded_For=asked))[0]) == (
                asked,
                status,
            )
        assert (await get(world, "/metrics", Via="1.1 proxy"))[0] == 404
        assert (await get(world, "/metrics"))[0] == 200


async def test_where_no_place_is_near_enough_everybody_needs_a_key(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, web=WebSection(metrics_from=())) as world:
        assert (await get(world, "/metrics"))[0] == 404
        assert (await get(world, "/metrics", Authorization=f"Bearer {OPERATOR}"))[0] == 200


# Readiness.


async def test_a_service_at_work_is_ready(autojump_clock, world):
    await world.clock.settled()
    assert await readiness(world) == (200, {"ready": True, "reasons": {}})


async def test_a_transport_that_refuses_us_is_said_with_the_reason(autojump_clock, world):
    await world.clock.settled()
    breaker = world.service.delivery.gate.breaker
    breaker.trip(world.clock.now(), "535 5.7.8 no such user ecrm@boutique.example")
    assert await readiness(world) == (
        503,
        {
            "ready": False,
            "reasons": {
                "transport": "it refuses us until 2026-03-02T09:01:00Z or longer: "
                "535 5.7.8 no such user e…@boutique.example"
            },
        },
    )
    breaker.close()
    assert (await readiness(world))[0] == 200


async def test_a_part_that_ended_and_a_stop_are_said(autojump_clock, world):
    await world.clock.settled()
    service = world.service
    service.alarms.bell.stop()
    await world.clock.settled()
    assert (await readiness(world))[1]["reasons"] == {"alarms": "it does not run"}
    service.system.bell.stopping = True
    assert (await readiness(world))[1]["reasons"]["system"] == "it is stopping"


async def test_a_store_that_fails_is_said(autojump_clock, world):
    async def broken():
        raise StoreBroken("the disk is full")

    await world.clock.settled()
    world.service.figures._parts.store.next_alarm = broken
    status, said = await readiness(world)
    assert (status, said["reasons"]) == (503, {"store": "the disk is full"})
    world.service.system.failures = 1
    assert (await readiness(world))[1]["reasons"] == {"store": "it did not take the last commit"}
    world.service.system.failures = 0


async def test_a_store_that_does_not_answer_holds_up_one_question_and_no_more(
    autojump_clock, world
):
    await world.clock.settled()
    asked = []

    async def ask():
        asked.append((await readiness(world))[0])

    async with trio.open_nursery() as nursery:
        async with world.service.store._lock:
            nursery.start_soon(ask)
            await trio.sleep(STUCK)
            assert (await readiness(world))[0] == 200
            await trio.sleep(2)
            assert (await readiness(world))[1]["reasons"] == {"store": "no answer for 12 s"}
        assert asked == []
    assert asked == [200]
    assert (await readiness(world))[0] == 200


# The figures.


async def test_the_names_that_the_readme_lists_are_those_that_are_served(autojump_clock, world):
    text = (HOUSE / "README.md").read_text("utf-8")
    table = text.partition("| metric | labels | what it says |")[2].partition("\n\n")[0]
    listed = {}
    for line in table.splitlines()[2:]:
        name, labels, _ = (cell.strip() for cell in line.strip("|").split("|"))
        listed[name.strip("`")] = set(re.findall(r"`(\w+)`", labels))
    shop = await world.shop()
    await shop.registers("zoe")
    await world.clock.settled()
    world.service.returns.counts["hard"] += 1
    world.service.gateway.refusals["invalid"] += 1
    _, served, _ = await get(world, "/metrics")
    found = {}
    for family in text_string_to_metric_families(served):
        if family.name.startswith("ecrm_"):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[family.name + "_total" * (family.type == "counter")] = labels
            assert family.documentation
            assert family.samples
    assert found == listed


async def test_what_happens_is_counted_once_in_metrics_and_status(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe")
    again = {"type": "track", "messageId": "twice", "userId": "zoe", "event": "Signed In"}
    assert await shop.client.send([again]) == []
    assert await shop.client.send([again]) == []
    await shop.client.send([{**again, "messageId": "bad", "event": "Order Paid"}])
    await world.passes(1_000)
    found, status = await scraped(world), (await world.ask("status"))["result"]
    assert found["ecrm_events_total", "taken"] == status["answers"]["taken"] == 4
    assert found["ecrm_events_total", "repeated"] == status["answers"]["repeated"] == 1
    assert found["ecrm_rejects_total", "invalid"] == status["rejects"]["invalid"] == 1
    assert found["ecrm_turn_seconds_count",] == status["turns"] == 5
    assert found["ecrm_commit_seconds_count",] == status["commits"]
    assert found["ecrm_ack_seconds_count",] == 5
    assert found["ecrm_mails_total", "1", "accepted", "welcome"] == status["sent"] == 1
    assert found["ecrm_queue_mails", "1", "accepted"] == status["queue"]["accepted"] == 1
    assert found["ecrm_logins_total", "secret"] == 1
    assert found["ecrm_connections",] == status["connections"] == 1
    assert found["ecrm_slots_active",] == status["active"] == 1


async def test_a_rejected_message_counts_by_whatever_door_it_came(autojump_clock, world):
    client = world.service.web.app.test_client()
    body = {"messageId": "x", "userId": "zoe", "event": "Order Paid"}
    answer = await client.post("/v1/track", json=body, auth=(SECRET, ""))
    assert answer.status_code == 400
    assert (await scraped(world))["ecrm_rejects_total", "invalid"] == 1


async def test_how_long_a_mail_waited_is_told_by_its_lane(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1)) as world:
        shop = await world.shop()
        await world.ask("pause")
        await shop.knows("zoe")
        await shop.pays("zoe", "o1", "tea")
        await world.passes(30_000)
        await world.ask("resume")
        await world.passes(1_000)
        found = await scraped(world)
        assert found["ecrm_mail_seconds_count", "1"] == 1
        assert found["ecrm_mail_seconds_sum", "1"] == 30.0
        assert found["ecrm_mail_seconds_bucket", "1", "10.0"] == 0
        assert found["ecrm_mail_seconds_bucket", "1", "60.0"] == 1


async def test_what_waits_and_what_is_stopped_shows(autojump_clock, world):
    await world.clock.settled()
    delivery, now = world.service.delivery, world.clock.now()
    before = await scraped(world)
    assert [before[name,] for name in ("ecrm_breaker_open", "ecrm_destinations_resting")] == [0, 0]
    await world.ask("pause")
    delivery.gate.breaker.trip(now, "535")
    delivery.gate.destinations.down("slow.example", now)
    world.service.alarms.bell.stop()
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.adds("zoe", "tea")
    await world.passes(2 * 3_600_000)
    found = await scraped(world)
    assert found["ecrm_pauses",] == 1
    assert found["ecrm_alarm_lag_seconds",] == 3_600
    delivery.gate.breaker.trip(world.clock.now(), "535")
    delivery.gate.destinations.down("slow.example", world.clock.now())
    found = await scraped(world)
    assert (found["ecrm_breaker_open",], found["ecrm_destinations_resting",]) == (1, 1)


async def test_open_metrics_are_spoken_where_they_are_asked_for(autojump_clock, world):
    status, text, kind = await get(
        world, "/metrics", Accept="application/openmetrics-text; version=1.0.0"
    )
    assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
    assert text.endswith("# EOF\n")


async def test_nobodys_address_is_in_the_figures(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe@customers.example", email="zoe@customers.example")
    await world.passes(1_000)
    assert "@" not in (await get(world, "/metrics"))[1]
