"""Telling: an operator says an event in a shop's stead, such as one that a back end has lost.

It goes the way of every other: the same reading, the same turn, the same answer after the commit.
The record says that it was an operator's (`Message.source`), and so does the journal of operations.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec
import structlog

from actors.asked import Op, Plain, Refused, Request
from actors.clock import Clock
from actors.offering import Offering
from actors.system import System
from proto import reception
from proto.codec import JSON
from proto.envelope import Message
from proto.frames import Reject

log = structlog.get_logger()

EXAMPLE: Final = """send c42 "Order Cancelled" '{"order_id": "o7"}'"""


class Telling:
    def __init__(self, system: System, clock: Clock) -> None:
        self._system = system
        self._clock = clock
        self.ops: dict[str, Op] = {"send": self._send}

    async def _send(self, request: Request) -> Plain:
        message = self._read(request)
        offering = Offering(self._system, [message])
        await offering.run()
        answer = offering.answers[0]
        if answer is None:
            raise Refused("busy", f"the service is full: try again in {offering.busy} ms")
        if answer.outcome not in ("taken", "repeated"):
            raise Refused(answer.outcome, answer.reason or "it was not taken: try again")
        log.warning("sent_by_operator", customer=request.customer, name=message.event_name)
        return {
            "customer": request.customer,
            "event": message.event_name,
            "messageId": message.message_id,
            "outcome": answer.outcome,
        }

    def _read(self, request: Request) -> Message:
        """The event as it would be said on the wire (§1), of this customer."""
        if not request.customer or not request.event:
            raise Refused("missing", f"name a customer and an event: {EXAMPLE}")
        said = {"messageId": f"operator-{secrets.token_hex(8)}", **request.event}
        said["userId"] = request.customer
        read = reception.receive(JSON, msgspec.json.encode(said), self._clock.now(), "operator")
        if isinstance(read, Reject):
            raise Refused(read.code, f"{read.path}: {read.reason}" if read.path else read.reason)
        return read
