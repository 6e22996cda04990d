"""The Maildir transport: a folder of files, so that a fresh checkout does its whole job.

A file is written in `tmp`, synced, and moved to `new` under a name derived from the mail's id, so
that a mail handed over twice is still one file: with this transport nothing is ever in doubt. Every
mail carries four headers about its origin (wire §5), which never go towards a mail server.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Final

from actors.outside import Outside
from actors.transports.port import Handed, Letter
from ecrm import moment
from ecrm.delivery import message
from ecrm.errors import Misconfigured, Rejected
from ecrm.mail import Mail
from ecrm.moment import Duration

# Bytes. No mail of ours is near it: a file that grew so large is not read to be looked at.
LARGEST: Final = 2 * 2**20


class Maildir:
    name = "maildir"
    lines = 2
    lot = 64
    # A file of the same name; and `took` knows anyway.
    repeatable = Duration(0)

    def __init__(self, folder: Path, outside: Outside) -> None:
        """Make the folders. Raises `Misconfigured` where that cannot be done."""
        self.folder = folder
        self._outside = outside
        try:
            for part in ("tmp", "new", "cur"):
                (folder / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"cannot make the Maildir {folder}: {error.strerror}; name another with --data"
            ) from None

    async def send(self, letters: list[Letter]) -> list[Handed]:
        return await self._outside.in_thread(self._write, letters)

    async def kept(self, mail: Mail) -> bytes | None:
        """The file of a mail, as it lies there now; None where it is gone, or nothing to read."""
        return await self._outside.in_thread(self._read, mail)

    async def took(self, mail: Mail) -> bool:
        return await self._outside.in_thread(self._has, mail)

    def _write(self, letters: list[Letter]) -> list[Handed]:
        handed = [self._write_one(letter) for letter in letters]
        try:
            _sync_folder(self.folder / "new")
        except OSError as error:
            # The files may be there and may not last: written again they are still one each.
            return [_again(letter, error) for letter in letters]
        return handed

    def _write_one(self, letter: Letter) -> Handed:
        name = _file_name(letter.mail)
        draft = self.folder / "tmp" / name
        try:
            with draft.open("wb") as file:
                file.write(message.with_headers(letter.body, _origin(letter.mail)))
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.folder / "new" / name)
        except OSError as error:
            return _again(letter, error)
        except Rejected as error:
            # A header that cannot be written will not be writable later either.
            return Handed(letter.mail.mail_id, "refused", f"maildir: {error}")
        return Handed(letter.mail.mail_id, "accepted", f"maildir: new/{name}")

    def _has(self, mail: Mail) -> bool:
        return next(self._places(mail), None) is not None

    def _places(self, mail: Mail) -> Iterator[Path]:
        """Where its file lies, by a name that is made of what we know of it and of nothing else."""
        name = _file_name(mail)
        if (self.folder / "new" / name).exists():
            yield self.folder / "new" / name
        # A mail reader moves what was seen to `cur`, and writes its flags behind the name.
        yield from self.folder.glob(f"cur/{escape(name)}*")

    def _read(self, mail: Mail) -> bytes | None:
        for place in self._places(mail):
            try:
                # No link is followed, and nothing waited for: others may write to this folder.
                handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                found = os.fstat(handle)
                if stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST:
                    return os.read(handle, LARGEST)
            finally:
                os.close(handle)
        return None


def _again(letter: Letter, error: OSError) -> Handed:
    return Handed(letter.mail.mail_id, "retry", f"maildir: {error.strerror}")


def _file_name(mail: Mail) -> str:
    return f"{mail.at // 1_000}.{mail.mail_id}.ecrm"


def _origin(mail: Mail) -> dict[str, str]:
    return {
        "X-Ecrm-Kind": mail.kind,
        "X-Ecrm-Programme": f"{mail.programme}/{mail.step}",
        "X-Ecrm-Customer": mail.customer_id,
        "X-Ecrm-At": moment.format_instant(mail.at),
    }


def _sync_folder(folder: Path) -> None:
    """Make the moves themselves durable, not only the files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
