"""A sitting: an operator at the terminal, command after command, over one call (R93).

Rules:

- What is typed in error, refused, or not answered ends nothing but itself. Ctrl-C ends the command
  that runs, Ctrl-D the sitting.
- What is not easily undone is said, and asked about, before it is done; `--yes` at its end is an
  answer.
- The prompt belongs to asyncio, and waits behind the door; while it does, trio goes on.
"""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from actors import teaching, terminal
from actors.asked import Plain
from actors.call import Call, Lost, Unanswered
from actors.caution import agreed, caution
from actors.completing import Words
from actors.outside import Outside, open_outside
from ecrm.errors import EcrmError

PROMPT: Final = "ecrm> "
EVERY: Final = 1.0
# Completing a word is not worth a longer wait.
ANSWER_WITHIN: Final = 1.0
KNOWN: Final = (*sorted(terminal.OPS), "watch", "help", "quit")
# What these count is shown as a rate beside.
RATED: Final = ("events", "turns", "commits", "sent")
# `watch` asks again and again: only what changes nothing.
WATCHED: Final = frozenset(
    ("status", "customers", "inspect", "journal", "timers", "queue", "programmes", "satisfaction",
     "quarantine", "operations", "keys", "clock", "forecast", "why-not")
)  # fmt: skip

Confirm = Callable[[str], Awaitable[bool]]


class Unconfirmed(EcrmError):
    """It was not agreed to."""


class Sitting:
    """`plain` answers in JSON, a line each; `confirm` asks whether what was said shall be done."""

    def __init__(self, call: Call, out: Console, confirm: Confirm, *, plain: bool = False) -> None:
        self._call = call
        self._out = out
        self._confirm = confirm
        self._plain = plain
        self._ending: trio.Event | None = None
        self._scope: trio.CancelScope | None = None

    # Ctrl-C.

    async def hear_interrupts(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                self.interrupt()

    def interrupt(self) -> None:
        """End what runs: a stream by asking for its end, the second time by hearing it no more."""
        if self._ending is not None and not self._ending.is_set():
            self._ending.set()
        elif self._scope is not None:
            self._scope.cancel()

    # Commands.

    async def obey(self, command: str) -> None:
        """Do what a line says. Raises ValueError where it is not understood, `Unanswered`, and
        `Unconfirmed`.
        """
        with trio.CancelScope() as scope:
            self._scope = scope
            try:
                await self._obey(command)
            finally:
                self._scope = None
        if scope.cancelled_caught:
            self._out.print("given up: the service may still do it", style="yellow")

    async def _obey(self, command: str) -> None:
        command, yes = agreed(command)
        watched = _watched(command)
        request = terminal.parse(watched or command)
        if watched and request["op"] not in WATCHED:
            raise ValueError(f"watch shows {', '.join(sorted(WATCHED & terminal.OPS))} only")
        said = caution(request)
        if said and not yes and not await self._confirm(said):
            raise Unconfirmed("nothing was done")
        if yes and request["op"] == "revoke-key":
            request = {**request, "yes": True}
        if request["op"] == "tail":
            await self._tail(request)
        elif watched:
            await self._watch(request)
        else:
            self._show(await self._call.ask(request))

    def _show(self, result: Plain) -> None:
        if self._plain:
            self._line(msgspec.json.encode(result).decode())
        else:
            terminal.show(result, self._out)

    def _line(self, text: str) -> None:
        """A line for a script, as it is."""
        self._out.file.write(text + "\n")
        self._out.file.flush()

    async def _tail(self, request: Plain) -> None:
        self._ending = trio.Event()
        try:
            ended = await self._call.follow(request, self._turn, self._ending)
        finally:
            self._ending = None
        if self._plain:
            self._line(msgspec.json.encode(ended).decode())
        else:
            self._out.print(f"ended: {_counted(ended)}", style="dim")

    def _turn(self, event: Plain) -> None:
        if self._plain:
            self._line(msgspec.json.encode(event).decode())
        elif event.get("type") == "turn":
            self._out.print(_turned(event), soft_wrap=True)
        else:
            rate = event["per_second"]
            self._out.print(f"{event['at']}  {rate} a second; {_counted(event)}", style="dim")

    async def _watch(self, request: Plain) -> None:
        """Ask the same every second until interrupted, and show it in one place."""
        self._ending = ending = trio.Event()
        before: tuple[float, Plain] | None = None
        try:
            with Live(console=self._out, auto_refresh=False) as live:
                while not ending.is_set():
                    result, now = await self._call.ask(request), trio.current_time()
                    shown = result if before is None else _rated(result, now, *before)
                    before = now, result
                    if self._plain or not self._out.is_terminal:
                        self._show(shown)
                    else:
                        live.update(_laid_out(shown, self._out.width), refresh=True)
                    with trio.move_on_after(EVERY):
                        await ending.wait()
        finally:
            self._ending = None


def _watched(command: str) -> str:
    """What `watch` is to watch; empty for any other command. Raises ValueError on `watch` alone."""
    word, _, rest = command.strip().partition(" ")
    if word == "watch" and not rest.strip():
        raise ValueError(teaching.correction(word, word, KNOWN))
    return rest.strip() if word == "watch" else ""


def _laid_out(result: Plain, width: int) -> Text:
    inner = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=True)
    with inner.capture() as held:
        terminal.show(result, inner)
    return Text.from_ansi(held.get())


def _rated(result: Plain, now: float, then: float, before: Plain) -> Plain:
    """With how many a second there were of what is counted, since it was asked before."""
    rates = {
        name: round((count - was) / (now - then), 1)
        for name in RATED
        if isinstance(count := result.get(name), int)
        and isinstance(was := before.get(name), int)
        and now > then
    }
    # First, for a low window shows only the beginning.
    return {"per second": rates, **result} if rates else result


def _counted(counts: Plain) -> str:
    dropped = f", {counts['dropped']} not shown" if counts["dropped"] else ""
    return f"{counts['turns']} turns, {counts['matched']} asked for{dropped}"


def _turned(event: Plain) -> Text:
    turn = msgspec.convert(event, _Turn)
    line = Text(f"{turn.at}  ", style="dim")
    line.append(terminal.harmless(turn.customer), "not dim bold")
    outcome = ", ".join(turn.outcome)
    line.append(f"  {outcome}  ", "not dim red" if turn.error else "not dim cyan")
    line.append(terminal.harmless(turn.error or "; ".join(turn.facts)), "not dim")
    return line


class _Turn(msgspec.Struct, frozen=True):
    at: str
    customer: str
    outcome: tuple[str, ...]
    facts: tuple[str, ...] = ()
    error: str = ""


def teach(words: list[str], out: Console) -> None:
    """`help`, and `help COMMAND`. Raises ValueError on a command that there is not."""
    table = Table(show_header=False, box=None, pad_edge=False)
    if not words:
        rows = teaching.lines(KNOWN)
    elif words[0] in KNOWN:
        rows = teaching.about(words[0])
    else:
        raise ValueError(teaching.correction(" ".join(words), words[0], KNOWN))
    for name, what in rows:
        table.add_row(Text(name, style="bold"), Text(what))
    out.print(table)
    if not words:
        out.print("Tab completes, Ctrl-C ends a command, Ctrl-D the session.", style="dim")


# One command, and many.


async def once(
    host: str, port: int, key: str, command: str, out: Console, *, plain: bool, confirmed: bool
) -> None:
    """Obey one command; `confirmed` says that its operator agreed. Raises as `Sitting.obey`."""

    async def confirm(said: str) -> bool:
        if not confirmed:
            raise Unconfirmed(f"{said}: say --yes if that is meant")
        return True

    failed: Exception | None = None
    async with trio.open_nursery() as nursery:
        call = Call(nursery, host, port, key)
        sitting = Sitting(call, out, confirm, plain=plain)
        await nursery.start(sitting.hear_interrupts)
        try:
            await sitting.obey(command)
        except (ValueError, EcrmError) as error:
            failed = error
        await call.close()
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed


class History(FileHistory):
    """The lines typed, in a file that is its owner's alone; keys are never among them."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        super().__init__(str(path))

    def store_string(self, string: str) -> None:
        if not terminal.has_key(string):
            super().store_string(string)


class Interrupted(Exception):
    """Ctrl-C was pressed at the prompt. No KeyboardInterrupt: that would end the asyncio loop."""


async def sit(host: str, port: int, key: str, out: Console, history: Path) -> None:
    """Hold a session until its operator leaves. Raises `Unanswered` where there is no service."""
    failed: Unanswered | None = None
    async with open_outside() as outside, trio.open_nursery() as nursery:
        call = Call(nursery, host, port, key)
        try:
            await call.dial()
            await _converse(call, outside, nursery, out, history)
        except Unanswered as error:
            failed = error
        await call.close()
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed


async def _converse(
    call: Call, outside: Outside, nursery: trio.Nursery, out: Console, history: Path
) -> None:
    async def answer(question: str) -> Plain:
        with trio.move_on_after(ANSWER_WITHIN if call.is_up else 0):
            try:
                return await call.ask(msgspec.json.decode(question, type=Plain))
            except Unanswered:
                return {}  # Nothing to complete with; the next command will say why.
        return {}

    async def confirm(said: str) -> bool:
        out.print(f"{terminal.harmless(said)}.", style="yellow")
        asking = PromptSession[str](interrupt_exception=Interrupted)
        reply = await outside.run(lambda: asking.prompt_async("Do it? [y/N] ", handle_sigint=False))
        return reply.strip().casefold() in ("y", "yes")

    session = PromptSession[str](
        history=History(history),
        completer=Words(KNOWN, outside.inward(nursery, answer)),
        complete_while_typing=False,
        interrupt_exception=Interrupted,
    )
    sitting = Sitting(call, out, confirm)
    await nursery.start(sitting.hear_interrupts)
    out.print(f"Connected to {call.url}. `help` tells what can be asked, Tab completes.")
    while True:
        try:
            line = await outside.run(lambda: session.prompt_async(PROMPT, handle_sigint=False))
        except Interrupted:
            continue
        except EOFError:
            return
        words = line.split()
        if words[:1] in (["quit"], ["exit"]):
            return
        if words:
            if not call.is_up:
                out.print("the connection was lost: connecting again", style="yellow")
            await _try(sitting, line, words, out)


async def _try(sitting: Sitting, line: str, words: list[str], out: Console) -> None:
    """Obey a line; what goes wrong is said, and the next line is waited for."""
    try:
        if words[0] == "help":
            teach(words[1:], out)
        else:
            await sitting.obey(line)
    except Lost as error:
        said = f"{error}: whether it was done is not known; the next command connects again"
        out.print(Text(said, style="red"))
    except Interrupted:
        out.print("nothing was done", style="yellow")
    except EOFError:
        out.print("nothing was done", style="yellow")
    except (ValueError, EcrmError) as error:
        out.print(Text(terminal.harmless(str(error)), style="red"))
