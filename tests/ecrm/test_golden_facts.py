from __future__ import annotations

from typing import get_args, get_type_hints

import msgspec
import pytest

from ecrm import state
from ecrm.state import State
from tests import goldens
from tests.values import FACTS

FILES = sorted(goldens.FOLDER.glob("*.json"))


def read(path) -> goldens.Golden:
    return msgspec.json.decode(path.read_bytes(), type=goldens.Golden)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_facts_of_the_past_say_what_they_said(path):
    golden = read(path)
    for (made, _), said in zip(goldens.replayed(golden), golden.said, strict=True):
        assert [goldens.tree(fact, golden.fields) for fact in made] == said


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_facts_of_the_past_make_the_state_they_made(path):
    golden = read(path)
    last = None
    for turn, (_, after) in enumerate(goldens.replayed(golden)):
        last = goldens.tree(after, golden.fields)
        assert goldens.hash_of(last) == golden.hashes[turn], f"turn {turn}: {golden.said[turn]}"
    assert last == golden.state


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_snapshot_in_the_past_changes_nothing(path):
    *_, (_, last) = goldens.replayed(read(path))
    assert state.decode(state.encode(last)) == last


def test_every_kind_of_fact_there_is_has_an_example_in_the_past():
    """A new kind of fact, or a new field of one: `python -m tests.goldens NAME` adds a file."""
    known = {}
    for path in FILES:
        for name, fields in read(path).fields.items():
            known.setdefault(name, set()).update(fields)
    for kind in kinds_within(*FACTS, State):
        assert set(kind.__struct_fields__) <= known.get(kind.__name__, set()), kind.__name__


def kinds_within(*kinds):
    """The structs a value of these types can be made of, themselves included."""
    found, left = set(), [*kinds]
    while left:
        kind = left.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in found:
            found.add(kind)
            left += get_type_hints(kind).values()
        left += get_args(kind)
    return sorted(found, key=lambda kind: kind.__name__)


def test_a_golden_file_is_never_rewritten(tmp_path, monkeypatch):
    monkeypatch.setattr(goldens, "FOLDER", tmp_path)
    goldens.write("today")
    with pytest.raises(FileExistsError):
        goldens.write("today")
    assert len(list(tmp_path.iterdir())) == len(goldens.PARTS)
