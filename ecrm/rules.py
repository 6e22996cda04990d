"""Rules: everything a turn is decided by that is not the customer's own.

Built once at start from the programmes and the settings, and passed by value from then on. Building
it checks it: a programme that looks at a reading that does not exist, or names a step twice, is
refused here and not in the middle of somebody's life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ecrm import calendar, programmes, readings
from ecrm.engagement import Thresholds
from ecrm.errors import Misconfigured
from ecrm.mail import Relation
from ecrm.pressure import Limits
from ecrm.programme import MailStep, Programme
from ecrm.shop import Shop


class Rules:
    """The programmes in order of priority, with what each trigger concerns."""

    def __init__(
        self,
        shop: Shop,
        limits: Limits = Limits(),  # noqa: B008 - a frozen value
        of: tuple[Programme, ...] = programmes.ALL,
        thresholds: Thresholds = Thresholds(),  # noqa: B008 - a frozen value
    ) -> None:
        self.shop = shop
        self.limits = limits
        self.thresholds = thresholds
        self.programmes = {programme.name: programme for programme in of}
        self.priority = {programme.name: place for place, programme in enumerate(of)}
        zone = calendar.zone_of(shop.timezone)
        if zone is None:
            raise Misconfigured(f"shop.timezone {shop.timezone!r} is no time zone")
        self.zone = zone
        for programme in of:
            _check(programme)
        self.enrolling = _by_trigger(of, lambda programme: programme.enrol)
        self.leaving = _by_trigger(of, lambda programme: programme.leave)
        self.counting = _by_trigger(of, Programme.clocks)
        self._proposing = {one.name: found for one in of if (found := one.relations())}

    def relations(self, triggers: Iterable[str], stays: Iterable[str]) -> frozenset[Relation]:
        """By what relations a turn may propose products: those of the programmes that these
        triggers open and of these stays' programmes.
        """
        names = {one.name for trigger in triggers for one in self.enrolling.get(trigger, ())}
        names.update(stays)
        return frozenset(r for name in names for r in self._proposing.get(name, ()))


def _by_trigger(
    of: tuple[Programme, ...], triggers: Callable[[Programme], Iterable[str]]
) -> dict[str, tuple[Programme, ...]]:
    found: dict[str, tuple[Programme, ...]] = {}
    for programme in of:
        for trigger in triggers(programme):
            found[trigger] = (*found.get(trigger, ()), programme)
    return found


def _check(programme: Programme) -> None:
    names = [step.name for step in programme.steps]
    if len(set(names)) < len(names):
        raise Misconfigured(f"programme {programme.name} names a step twice")
    conditions = [(programme.name, programme.when)]
    for step in programme.steps:
        where = f"{programme.name}/{step.name}"
        conditions.append((where, step.when))
        if isinstance(step, MailStep):
            conditions += [(f"{where} ({v.name})", v.when) for v in step.variants]
    for where, condition in conditions:
        try:
            readings.check(condition)
        except ValueError as error:
            raise Misconfigured(f"programme {where}: {error}") from None
