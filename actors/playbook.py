"""The playbook: each programme with its words, steps and settings, and what its mails came to.

Numbers are honest: every share says of how many, what machines did stands apart, and what could not
be seen is in no denominator. A mail may have been opened by a person and by a machine; it is then
counted once for each. An order counts for the mail that its person clicked last, within the window
(`ecrm/credit.py`), and goes again when it is cancelled or paid back. Sums are those that the store
keeps: nothing is counted when somebody looks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from actors import numbers
from actors.asked import Op, Plain, Refused, Request
from actors.mistakes import near
from actors.store import port
from ecrm import money, programmes
from ecrm.condition import ALWAYS
from ecrm.moment import format_duration, format_instant
from ecrm.programme import MailStep, Programme, Step
from ecrm.rules import Rules

_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
DEFAULT: Final = "default"
ACCEPTED: Final = ("accepted", "accepted_unknown")
# A mail that went with its customer before it had ended.
ERASED: Final = "erased"

Sums = Counter[str]


class Playbook:
    """`written` are the settings of programmes that `ecrm.toml` names."""

    def __init__(self, rules: Rules, store: port.Store, written: frozenset[str]) -> None:
        self._rules = rules
        self._store = store
        self._written = written
        self.ops: dict[str, Op] = {"programmes": self._programmes}

    async def _programmes(self, request: Request) -> Plain:
        """All programmes, or one; `month` asks for the mails that were decided on then."""
        if request.month and not _MONTH.fullmatch(request.month):
            raise Refused("invalid", f"{request.month!r} is no month: write 2026-03")
        told = self._rules.programmes
        off = [one for one in programmes.ALL if one.name not in told]
        known = {one.name: one for one in (*told.values(), *off)}
        if request.programme and request.programme not in known:
            hint = near(request.programme, list(known))
            raise Refused(
                "unknown_programme", f"no programme is called {request.programme!r}{hint}"
            )
        wanted = [known[request.programme]] if request.programme else list(known.values())
        return await self._told(wanted, request.month)

    async def _told(self, wanted: list[Programme], month: str) -> Plain:
        kept, stands = self._store.numbers, await self._store.numbers.stands()
        sums: dict[tuple[str, str], Sums] = {}
        for row in await kept.counts(month):
            sums.setdefault((row.programme, row.step), Counter())[row.what] += row.count
        frame: Plain = {
            "mails_decided": f"in {month}, UTC" if month else "in all months",
            "counted_since": format_instant(await kept.since()),
            "orders_within": f"{format_duration(self._rules.thresholds.after_click)} of a click",
            "all_counted": await kept.whole(),
        }
        paused = {row.name: row for row in await self._store.pauses() if row.scope == "programme"}
        return {
            one.name: {
                "doc": one.doc,
                "enabled": one.name in self._rules.programmes,
                "enrol": list(one.enrol),
                "leave": list(one.leave),
                "when": str(one.when),
                "again": str(one.again),
                "here": sum(n for (name, _), n in stands.items() if name == one.name),
                "numbers": {**_numbers(_all_of(one.name, sums)), **frame},
                "steps": [
                    {
                        "name": step.name,
                        "delay": str(step.delay),
                        "when": str(step.when),
                        "here": stands.get((one.name, step.name), 0),
                        **(
                            {"numbers": _numbers(sums.get((one.name, step.name), Counter()))}
                            if isinstance(step, MailStep)
                            else {}
                        ),
                    }
                    for step in one.steps
                ],
                "settings": [
                    *self._settings(one),
                    *([_stopped(paused[one.name])] if one.name in paused else []),
                ],
            }
            for one in wanted
        }

    # Settings, and where they come from.

    def _settings(self, one: Programme) -> Iterator[Plain]:
        where = f"programmes.{one.name}"
        enabled = one.name in self._rules.programmes
        yield self._setting(where, "enabled", "true" if enabled else "false")
        yield self._setting(where, "when", str(one.when))
        if one.repeats or f"{where}.repeats" in self._written:
            yield self._setting(where, "repeats", str(one.repeats))
        if one.budget is not None:
            currency = self._rules.shop.currency
            yield self._setting(where, "budget", f"{decimal(one.budget, currency)} {currency}")
        default = next(each for each in programmes.ALL if each.name == one.name)
        for step in default.steps:
            named = f"{where}.steps.{step.name}"
            now = one.step(step.name)
            if now is None:
                yield self._setting(named, "enabled", "false")
            else:
                for name, value in _of_step(now):
                    yield self._setting(named, name, value)

    def _setting(self, where: str, name: str, value: str) -> Plain:
        told = f"{where}.{name}" in self._written
        return {
            "setting": f"{where}.{name}",
            "value": value,
            "from": f"ecrm.toml [{where}]" if told else DEFAULT,
        }


def _of_step(step: Step) -> Iterator[tuple[str, str]]:
    yield "after", str(step.delay)
    if step.at is not None:
        yield "at", str(step.at)
    if step.when != ALWAYS:
        yield "when", str(step.when)
    if isinstance(step, MailStep):
        yield "late", str(step.late)
        if step.offer is not None:
            yield "offer", str(step.offer)


def _stopped(row: port.PauseRow) -> Plain:
    since = format_instant(row.at)
    value = f"since {since}: {row.reason}" if row.reason else f"since {since}"
    return {"setting": "paused", "value": value, "from": "the console, until it is resumed"}


# Numbers, and how they are said.


def _all_of(name: str, sums: dict[tuple[str, str], Sums]) -> Sums:
    """The sums of all steps there ever were."""
    found: Sums = Counter()
    for (programme, _), counts in sums.items():
        if programme == name:
            found.update(counts)
    return found


def _numbers(sums: Sums) -> Plain:
    ended = {state: sums[state] for state in (*sorted(port.TERMINAL), ERASED) if sums[state]}
    handed = sum(sums[state] for state in ACCEPTED)
    return {
        "said": said(sums),
        "decided": sums["decided"],
        "handed_over": handed,
        "on_their_way": sums["decided"] - sum(ended.values()),
        "not_sent": {state: n for state, n in ended.items() if state not in ACCEPTED},
        "opens": _seen(sums, "opens", "opened"),
        "clicks": _seen(sums, "clicks", "clicked"),
        "orders": sums[numbers.ORDERS],
        "orders_undone": sums[numbers.UNDONE],
        "revenue": dict(_revenue(sums)),
    }


def _seen(sums: Sums, visible: str, deed: str) -> Plain:
    return {
        "of": sums[visible],
        "by_people": sums[f"{deed} human"],
        "by_machines": sums[f"{deed} machine"],
        "by_who_knows": sums[f"{deed} unknown"],
    }


def _revenue(sums: Sums) -> Iterator[tuple[str, str]]:
    for what, amount in sorted(sums.items()):
        currency = what.removeprefix(numbers.REVENUE)
        if currency != what and (amount or sums[numbers.ORDERS]):
            yield currency, decimal(amount, currency)


def said(sums: Sums) -> list[str]:
    """The numbers in words, with what each is of."""
    handed, decided = sum(sums[state] for state in ACCEPTED), sums["decided"]
    found = [f"{handed} of {decided} decided {_mails(decided)} handed over"]
    if sums["accepted_unknown"]:
        found.append(f"of {sums['accepted_unknown']} of them nobody knows whether they were taken")
    found += _share(sums, "opens", "opened", handed)
    found += _share(sums, "clicks", "clicked", handed)
    orders, undone = sums[numbers.ORDERS], sums[numbers.UNDONE]
    if orders or undone:
        money_of = ", ".join(f"{amount} {currency}" for currency, amount in _revenue(sums))
        worth = f", worth {money_of}" if orders else ""
        gone = f"; {undone} more cancelled or paid back" if undone else ""
        found.append(f"{orders} order{'' if orders == 1 else 's'} after a click{worth}{gone}")
    return found


def _share(sums: Sums, visible: str, deed: str, handed: int) -> Iterable[str]:
    seen = sums[visible]
    if not handed:
        return
    if not seen:
        yield f"no {visible} can be seen: nobody agreed, or such mails are never followed"
        return
    machines, unknown = sums[f"{deed} machine"], sums[f"{deed} unknown"]
    apart = [f"{n} by {who}" for n, who in ((machines, "machines"), (unknown, "who knows")) if n]
    more = f"; apart from that {' and '.join(apart)}" if apart else ""
    yield f"{deed} by people: {sums[f'{deed} human']} of the {seen} that could be seen{more}"


def _mails(count: int) -> str:
    return "mail" if count == 1 else "mails"


def decimal(amount: int, currency: str) -> str:
    """Minor units as people write them: 5980, EUR is 59.80."""
    return f"{Decimal(amount).scaleb(-money.digits_of(currency)):f}"
