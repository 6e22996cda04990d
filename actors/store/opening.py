"""Opening the file of the SQLite store: ours, of this release, locked; or a line saying why not.

Migrations are numbered and go forward only; each is one transaction together with its number in
`user_version`. A file that a newer release has written is refused, not guessed at.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import aiosqlite

from actors.store.statements import migrations
from actors.store.transactions import write
from ecrm import errors
from ecrm.moment import Instant

APPLICATION_ID = 0x6563726D  # "ecrm": tells our file from another program's
BUSY_TIMEOUT = 0.2  # seconds; nobody else should be there
# 64 MiB of page cache hold the indexes of some hundred thousand customers; with a log of 32 MiB
# between checkpoints a page that many turns have touched is written once. What was deleted (erased
# customers, the secrets of mails) is overwritten with zeros, freed pages too, where FAST would
# leave those: settling 256 mails took 12 ms so, and 9 ms with FAST or OFF.
PRAGMAS = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = 8192;
"""


async def open_connection(path: Path, now: Instant) -> aiosqlite.Connection:
    """Open, lock and migrate the file; it is made, for its owner's eyes only, where it is missing.

    Raises StoreBroken. No thread is left behind then.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise errors.StoreBroken(
            f"{path} cannot be written ({error.strerror}): mend that, or use another --data"
        ) from error
    db = await aiosqlite.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, cached_statements=256
    )
    try:
        await db.executescript(PRAGMAS)
        await _migrate(path, db)
        # A transaction that writes takes the lock, and EXCLUSIVE never gives it back.
        await write([("set_meta", [{"name": "opened_at", "value": now}])], db)
        await write([("keep_meta", [{"name": "numbers:since", "value": now}])], db)
    except BaseException:
        await db.close()
        raise
    return db


async def _migrate(path: Path, db: aiosqlite.Connection) -> None:
    owner, tables = await _number(db, "application_id"), await _number(db, "schema_version")
    if tables and owner != APPLICATION_ID:
        raise errors.StoreBroken(f"{path} is another program's database: use another --data")
    version, known = await _number(db, "user_version"), len(migrations())
    if version > known:
        raise errors.StoreBroken(
            f"{path} has schema {version} and this release knows {known}: "
            "upgrade ecrm, or use another --data"
        )
    for number, script in enumerate(migrations()[version:], version + 1):
        marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number};"
        await db.executescript(f"BEGIN IMMEDIATE;\n{script}\n{marks}\nCOMMIT;")


async def _number(db: aiosqlite.Connection, pragma: str) -> int:
    ((number,),) = await db.execute_fetchall(f"PRAGMA {pragma}")
    return int(number)


def explained(path: Path, error: sqlite3.Error) -> errors.StoreBroken:
    """Say in one line which file it is and what can be done."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return errors.StoreInUse(
            f"{path} is in use by a service: ask that with run.py console -c, stop it, "
            "or use another --data"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return errors.StoreBroken(f"{path} is not a database: move it away, or use another --data")
    return errors.StoreBroken(f"{path}: {error}")
