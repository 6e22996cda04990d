"""The exposition: figures in the words of Prometheus.

The names are a promise to dashboards and alarms: the README's table lists them all, and a test
holds it to what is served. A registry lives for one scrape and holds what was read for it, beside
the process's own numbers where the system tells them; the library's global one is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from actors.figures import Reading
from actors.spread import Spread


class Exposition:
    """What one scrape is told: a collector over one reading."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        yield from self._events()
        yield from self._mails()
        yield from self._doors()
        yield from self._house()

    def _events(self) -> Iterator[Metric]:
        read, meter = self._reading, self._reading.meter
        answers: dict[str, int] = {**meter.answers, "busy": read.refused}
        yield _counter("ecrm_events", "Events by what they were answered.", answers, "outcome")
        yield _histogram("ecrm_turn_seconds", "How long turns took.", meter.turns)
        yield _histogram("ecrm_commit_seconds", "How long group commits took.", meter.commits)
        yield _histogram(
            "ecrm_ack_seconds", "From an event's arrival to its durable answer.", meter.acks
        )
        yield CounterMetricFamily(
            "ecrm_turns_poisoned", "Turns that raised; the message is in quarantine.", read.poisoned
        )

    def _mails(self) -> Iterator[Metric]:
        read, tally = self._reading, self._reading.tally
        mails = CounterMetricFamily(
            "ecrm_mails", "What became of mails.", labels=("programme", "lane", "outcome")
        )
        for (programme, lane, outcome), count in sorted(tally.mails.items()):
            mails.add_metric((programme, str(lane), outcome), count)
        yield mails
        waits = HistogramMetricFamily(
            "ecrm_mail_seconds", "From the decision to the hand-over of a mail.", labels=("lane",)
        )
        for lane, spread in tally.waits.items():
            waits.add_metric((str(lane),), _buckets(spread), spread.total)
        yield waits
        queue = GaugeMetricFamily(
            "ecrm_queue_mails", "Mails in the queue, ended ones too.", labels=("lane", "state")
        )
        for row in read.queue:
            queue.add_metric((str(row.lane), row.state), row.count)
        yield queue
        yield _counter("ecrm_returns", "What came back, by verdict.", read.returns, "verdict")

    def _doors(self) -> Iterator[Metric]:
        read = self._reading
        yield _counter(
            "ecrm_rejects", "Messages that will never be taken, by code.", read.refusals, "code"
        )
        yield _counter("ecrm_logins", "Keys that were shown, by kind.", read.logins, "kind")
        for name, about, value in (
            ("ecrm_connections", "Open websockets of shops.", read.connections),
            ("ecrm_destinations_resting", "Destinations that rest.", read.resting),
            ("ecrm_breaker_open", "1 while the transport refuses us.", read.broken),
            ("ecrm_pauses", "What operators have stopped.", read.pauses),
        ):
            yield GaugeMetricFamily(name, about, value)

    def _house(self) -> Iterator[Metric]:
        read, waits = self._reading, self._reading.waits
        for name, about, value in (
            ("ecrm_intake_messages", "Messages that wait for their turn.", read.waiting),
            ("ecrm_intake_bytes", "The size of the events among them.", read.waiting_bytes),
            ("ecrm_slots_active", "Customers in memory.", read.active),
            ("ecrm_customers_held", "Customers whose past cannot be read.", read.held),
            ("ecrm_commit_failures", "Commits that failed, in a row.", read.failures),
            (
                "ecrm_alarm_lag_seconds",
                "For how long the first alarm has been due.",
                read.overdue / 1_000,
            ),
            ("ecrm_loop_lag_seconds", "The latest waking of the last minute.", read.late),
            ("ecrm_outside_waits", "Waits on threads and the disk.", waits.count),
            ("ecrm_outside_oldest_seconds", "How long the oldest of them takes.", waits.oldest),
        ):
            yield GaugeMetricFamily(name, about, value)
        yield CounterMetricFamily(
            "ecrm_outside_busy_seconds", "How long anything was waited for at all.", waits.busy
        )


def written(reading: Reading, accept: str = "") -> tuple[bytes, str]:
    """The text of a scrape and its media type, in the format that `accept` asks for."""
    registry = CollectorRegistry()
    registry.register(Exposition(reading))
    ProcessCollector(registry=registry)
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


def _counter(name: str, about: str, counts: Mapping[str, int], label: str) -> Metric:
    family = CounterMetricFamily(name, about, labels=(label,))
    for value, count in sorted(counts.items()):
        family.add_metric((value,), count)
    return family


def _histogram(name: str, about: str, spread: Spread) -> Metric:
    return HistogramMetricFamily(name, about, _buckets(spread), spread.total)


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    ends = [*map(str, spread.bounds), "+Inf"]
    return [(end, count) for end, count in zip(ends, spread.cumulated, strict=True)]
