"""What the README says of the mails is so: every number, file and story that it names."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import pytest

from ecrm import programmes
from ecrm.programme import MailStep, MarkStep, templates_of
from proto import permissions

HOUSE = Path(__file__).parent.parent
ALL = {one.name: one for one in programmes.ALL}
NUMBERS = [f"k{number:02}" for number in range(1, 45)]


class Row(NamedTuple):
    kinds: tuple[str, ...]
    programmes: tuple[str, ...]
    file: str
    templates: tuple[str, ...]
    story: str


def rows() -> list[Row]:
    text = (HOUSE / "README.md").read_text("utf-8")
    table = text.partition("| mail | programme | template | story |")[2].partition("\n\n")[0]
    return [_row(line) for line in table.splitlines() if line.startswith("| k")]


def _row(line: str) -> Row:
    what, programme, template, story = (cell.strip() for cell in line.strip("|").split("|"))
    names = re.findall(r"`([^`]+)`", programme)
    (file,) = re.findall(r"\]\(([^)]+)\)", programme)
    (told,) = re.findall(r"\]\(([^)]+)\)", story)
    return Row(_kinds(what), tuple(names), file, tuple(re.findall(r"`([^`]+)`", template)), told)


def _kinds(what: str) -> tuple[str, ...]:
    found: list[str] = []
    for first, last in re.findall(r"k(\d\d)(?:\u2013k(\d\d))?", what):
        found += (f"k{number:02}" for number in range(int(first), int(last or first) + 1))
    return tuple(found)


ROWS = rows()


def test_every_mail_of_the_mission_has_its_row():
    assert sorted(kind for row in ROWS for kind in row.kinds) == NUMBERS


def test_every_programme_has_its_row():
    assert sorted(name for row in ROWS for name in row.programmes) == sorted(ALL)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kinds[0])
def test_a_row_names_the_file_of_its_programmes(row: Row):
    text = (HOUSE / row.file).read_text("utf-8")
    assert all(f'"{name}"' in text for name in row.programmes)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kinds[0])
def test_a_row_names_the_numbers_that_its_programmes_send(row: Row):
    sent: set[str] = set()
    for name in row.programmes:
        for step in ALL[name].steps:
            if isinstance(step, MailStep):
                sent |= {step.kind, *(variant.kind for variant in step.variants)}
            elif isinstance(step, MarkStep) and step.name == "graduated":
                sent.add("k06")
    assert sent == set(row.kinds)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kinds[0])
def test_a_row_names_the_templates_of_its_programmes(row: Row):
    used = [name for one in row.programmes for name in templates_of(ALL[one])]
    assert all(any(fnmatch(name, said) for said in row.templates) for name in used)
    assert all(any(fnmatch(name, said) for name in used) for said in row.templates)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kinds[0])
def test_a_story_tells_each_number_of_its_row(row: Row):
    story = (HOUSE / row.story).read_text("utf-8")
    graduates = {"k06"} if "graduated" in story else set()
    assert set(row.kinds) <= {*re.findall(r"k\d\d", story)} | graduates


def test_the_table_of_what_keys_may_say_is_the_one_that_counts():
    assert permissions.table() in (HOUSE / "README.md").read_text("utf-8")
