"""The spool: a folder for what comes back while the service may be down (delivery §1.6).

`run.py bounce` writes a file in `tmp`, syncs it, moves it to `new` and syncs that folder: from then
on the message is ours, and the mail server may forget it. The service looks into `new` when it
starts and then every few minutes, and removes a file once what it says is durable. One that nothing
can be done with goes to `bad`, for a person to look at. The first line of a file is the address
that the message came to, where that is known; the rest is the message as it came.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from actors.clock import Clock
from actors.outside import Outside
from ecrm.errors import EcrmError
from ecrm.moment import Instant, minutes

log = structlog.get_logger()

# A bounce is minutes to days old; and a clock that is pushed stops at every look.
EVERY: Final = minutes(15)
# What a message says stands at its beginning (`bounces.parts.READ`); what is longer is cut.
SIZE: Final = 1024 * 1024

Take = Callable[[str, bytes], Awaitable[bool]]


def put(folder: Path, recipient: str, raw: bytes) -> str:
    """Keep a message for the service, and return the name of its file once that is durable. Raises
    OSError; what was begun is gone then.
    """
    for part in (folder / "tmp", folder / "new"):
        _make(part)
    name = f"{time.time_ns():020d}.{os.getpid()}.{secrets.token_hex(4)}"
    draft = folder / "tmp" / name
    address = " ".join(recipient.split()).encode("utf-8", "replace")[:1_000]
    try:
        with draft.open("xb") as file:
            file.write(address + b"\n" + raw[:SIZE])
            file.flush()
            os.fsync(file.fileno())
        draft.rename(folder / "new" / name)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    _sync(folder / "new")
    return name


def _make(folder: Path) -> None:
    """Make a folder and those above it, for their owner alone; each durable in the one above."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Spool:
    """Brings what lies in the folder to `take`. Where nobody puts anything (`watched` is false), it
    looks once.
    """

    def __init__(
        self, folder: Path, outside: Outside, clock: Clock, take: Take, *, watched: bool
    ) -> None:
        self._folder = folder
        self._outside = outside
        self._clock = clock
        self._take = take
        self._watched = watched
        self.bell = clock.bell()

    async def run(self) -> None:
        while not self.bell.stopping:
            with self._clock.working():
                await self._round()
            again = Instant(self._clock.now() + EVERY) if self._watched else None
            await self.bell.rest(again)
        self._clock.dismiss(self.bell)

    async def _round(self) -> None:
        """Bring everything that waits, the oldest first; what is not taken stays where it is."""
        try:
            for path in await self._outside.in_thread(_waiting, self._folder):
                if not self.bell.stopping:
                    await self._bring(path)
        except (OSError, EcrmError) as error:
            # The folder or the store: what waits is as safe as it was, and is brought again.
            log.error("spool_not_read", folder=str(self._folder), error=str(error))

    async def _bring(self, path: Path) -> None:
        try:
            recipient, raw = await self._outside.in_thread(_read, path)
        except OSError as error:
            log.error("return_not_read", file=path.name, error=str(error))
            return
        try:
            taken = await self._take(recipient, raw)
        except EcrmError:
            raise
        except Exception:
            # The fault of this one message must not keep the others from being read.
            log.exception("return_put_aside", file=path.name)
            await self._outside.in_thread(_put_aside, path, self._folder / "bad")
            return
        if taken:
            await self._outside.in_thread(path.unlink)
        else:
            log.warning("return_kept", file=path.name)


def _waiting(folder: Path) -> list[Path]:
    new = folder / "new"
    return sorted(new.iterdir()) if new.is_dir() else []


def _read(path: Path) -> tuple[str, bytes]:
    with path.open("rb") as file:
        address, _, raw = file.read(SIZE + 2_000).partition(b"\n")
    return address.decode("utf-8", "replace"), raw


def _put_aside(path: Path, folder: Path) -> None:
    _make(folder)
    path.rename(folder / path.name)
