"""The house keeps its shape (design §2): who may import whom, and what may stand where.

proto ← ecrm ← actors ← run.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
LAYERS = ("proto", "ecrm", "actors", "run")

# What a pure module may not know: clocks, chance, the system, the network, the disk, the log.
IMPURE = frozenset((
    "trio", "asyncio", "anyio", "threading", "concurrent", "multiprocessing", "subprocess",
    "time", "random", "secrets", "uuid", "os", "sys", "io", "pathlib", "tempfile", "shutil",
    "socket", "ssl", "http", "urllib", "signal", "logging", "structlog", "sqlite3", "aiosqlite",
))  # fmt: skip
IMPURE_CALLS = frozenset(("open", "print", "input", "eval", "exec", "__import__", "breakpoint"))
CLOCK_CALLS = frozenset(("now", "utcnow", "today"))
PURE_PACKAGES = {"proto": {"msgspec"}, "ecrm": {"msgspec", "proto"}}

# Ways round trio, and who may take them (law 10): the one door.
THREADS = frozenset(("asyncio", "threading", "concurrent", "multiprocessing", "subprocess"))
DOOR = "actors/outside.py"
# asks brings anyio along; only the transport that speaks HTTP to a mail provider may use them.
HTTP_ADAPTER = "actors/transports/asks_adapter.py"

# A file this long is a question; these have answered it.
LONG = {
    "proto/events.py": "one short class for each event of the wire, read as a table",
    "ecrm/facts.py": "one short class for each fact, read as a table",
    "actors/store/memory.py": "one short method for each of the port's, in its order",
}
LONGEST = 450

TOP = frozenset((
    "run.py", "proto", "ecrm", "actors", "templates", "tests", "README.md", "CHANGELOG.md",
    "LICENSE", "Makefile", "pyproject.toml", "requirements.txt", "ecrm.toml", ".ci", ".gitignore",
))  # fmt: skip

STATEMENT = re.compile(
    r"\s*(select\s.+\sfrom|insert\s+(or\s+\w+\s+)?into|replace\s+into|update\s+\w+\s+set"
    r"|delete\s+from|create\s+(unique\s+)?(table|index|view|trigger)|alter\s+table|drop\s+\w+)\b",
    re.IGNORECASE | re.DOTALL,
)


def modules(*layers: str) -> list[str]:
    """The source files of these layers, as paths from the house's door."""
    found = [path for layer in layers for path in sorted((HOUSE / layer).rglob("*.py"))]
    found += [HOUSE / "run.py"] if "run" in layers else []
    return [path.relative_to(HOUSE).as_posix() for path in found]


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse((HOUSE / path).read_text("utf-8"), path)


def imports_of(tree: ast.Module) -> set[str]:
    """The top-level packages that are imported anywhere in it; its own by a relative import not."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found.update(name.name.partition(".")[0] for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
    return found


def calls_of(tree: ast.Module) -> Iterator[str]:
    """What is called in it: `open`, `datetime.now`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def names_of(tree: ast.Module) -> set[str]:
    """The attributes and imported names that are used in it."""
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found.update(name.name for name in node.names)
    return found


def texts_of(tree: ast.Module) -> Iterator[str]:
    """The texts in it that do something: docstrings are for people."""
    said = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def test_every_way_to_import_is_seen():
    source = (
        "import a.b as c, d\nfrom e.f import g\nfrom . import h\n\ndef i():\n    import j\n"
        "if 1:\n    from k import l\n"
    )
    assert imports_of(ast.parse(source)) == {"a", "d", "e", "j", "k"}


def test_a_statement_is_told_from_prose():
    assert STATEMENT.match("  SELECT a FROM b")
    assert STATEMENT.match("insert or ignore into t values (1)")
    assert not STATEMENT.match("select a mail and update it")
    assert not STATEMENT.match("BEGIN IMMEDIATE")


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_one_way(layer):
    above = set(LAYERS[LAYERS.index(layer) + 1 :]) | {"tests"}
    found = {path: imports_of(tree_of(path)) & above for path in modules(layer)}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("layer", ["proto", "ecrm"])
def test_what_decides_touches_nothing(layer):
    found = {path: imports_of(tree_of(path)) & IMPURE for path in modules(layer)}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("layer", ["proto", "ecrm"])
def test_what_decides_stands_on_little(layer):
    allowed = PURE_PACKAGES[layer] | {layer} | set(sys.stdlib_module_names)
    found = {path: imports_of(tree_of(path)) - allowed for path in modules(layer)}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("path", modules("proto", "ecrm"))
def test_what_decides_reads_no_clock_and_no_file(path):
    calls = set(calls_of(tree_of(path)))
    clocks = {
        call
        for call in calls
        for owner, _, name in [call.rpartition(".")]
        if name in CLOCK_CALLS and owner.rpartition(".")[2] in ("datetime", "date")
    }
    assert clocks | calls & IMPURE_CALLS == set()


def test_threads_and_asyncio_are_behind_the_one_door():
    found = {}
    for path in modules(*LAYERS):
        tree = tree_of(path)
        wrong = imports_of(tree) & THREADS
        wrong |= names_of(tree) & {"to_thread", "from_thread", "run_process", "open_process"}
        if wrong and path != DOOR:
            found[path] = wrong
    assert found == {}


def test_anyio_stays_with_the_transport_that_needs_it():
    found = [path for path in modules(*LAYERS) if imports_of(tree_of(path)) & {"asks", "anyio"}]
    assert [path for path in found if not fnmatch(path, HTTP_ADAPTER)] == []


def test_no_file_is_longer_than_one_sitting():
    lines = {
        path: len((HOUSE / path).read_text("utf-8").splitlines())
        for path in modules("proto", "ecrm", "actors")
    }
    long = {path for path, count in lines.items() if count > LONGEST}
    assert long == set(LONG)


def test_every_statement_lives_in_a_file_of_its_own_language():
    found = {
        path: text
        for path in modules(*LAYERS)
        for text in texts_of(tree_of(path))
        if STATEMENT.match(text)
    }
    assert found == {}


def test_only_what_the_blueprint_names_stands_at_the_door():
    ignored = [line.rstrip("/") for line in (HOUSE / ".gitignore").read_text("utf-8").split()]
    ignored.append(".git")
    found = {
        path.name
        for path in HOUSE.iterdir()
        if not any(fnmatch(path.name, pattern) for pattern in ignored)
    }
    assert found - TOP == set()


def test_the_locked_requirements_name_no_place_to_get_them_from():
    text = (HOUSE / "requirements.txt").read_text("utf-8")
    assert re.findall(r"(?im)^.*(?:://|--(?:extra-)?index|--find-links|--trusted).*$", text) == []
    pinned = re.findall(r"(?m)^[a-z0-9].*$", text)
    assert pinned
    assert [line for line in pinned if not re.match(r"[\w.-]+==\S+ ", line)] == []
    assert text.count("--hash=sha256:") >= len(pinned)
