"""The words of the terminal: read, completed, taught, and what is asked before it is done."""

from __future__ import annotations

import io
import stat

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from rich.console import Console

from actors import completing, sitting, teaching, terminal
from actors.caution import agreed, caution


@pytest.mark.parametrize(
    ("typed", "request_"),
    [
        ("tail", {"op": "tail"}),
        ("tail customer c42 rate 5", {"op": "tail", "customer": "c42", "rate": 5}),
        (
            'tail programme cart event "Order Paid" outcome cap',
            {"op": "tail", "programme": "cart", "name": "Order Paid", "outcome": "cap"},
        ),
        ("keys", {"op": "keys"}),
        ("programmes", {"op": "programmes"}),
        ("programmes cart", {"op": "programmes", "programme": "cart"}),
        ("programmes 2026-03", {"op": "programmes", "month": "2026-03"}),
        ("programmes cart 2026-03", {"op": "programmes", "programme": "cart", "month": "2026-03"}),
        ("keys revoke secret-2", {"op": "revoke-key", "name": "secret-2"}),
        (
            """send c42 "Order Paid" '{"order_id": "o1"}'""",
            {
                "op": "send",
                "customer": "c42",
                "event": {
                    "type": "track",
                    "event": "Order Paid",
                    "properties": {"order_id": "o1"},
                },
            },
        ),
    ],
)
def test_what_is_typed_is_what_is_asked_for(typed, request_):
    assert terminal.parse(typed) == request_


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("insepct c42", "did you mean inspect?"),
        ("rel c42", "did you mean release or relearn?"),
        ("sing", "'sing' is not understood; `help` lists the commands"),
        ("pause al", "type pause all | lane N"),
        (
            "programmes cart 2026-03 x",
            "type programmes [NAME] [MONTH], as in programmes cart 2026-03",
        ),
        ("tail colour red", "type tail [customer ID]"),
        ("tail customer", "type tail [customer ID]"),
        ("tail rate fast", "a number of turns a second"),
        ("send c42", 'as in send c42 "Order Cancelled"'),
        ("send c42 Paid {order_id:1}", "write them between ' and '"),
        ("send c42 Paid []", "is not understood as properties"),
        ("keys lose x", "type keys [revoke ID]"),
    ],
)
def test_what_is_mistyped_is_told_what_is_nearest(typed, said):
    with pytest.raises(ValueError, match=r"is not understood") as refused:
        terminal.parse(typed)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


# Lessons.


def test_every_command_is_taught_with_an_example_that_is_understood():
    assert terminal.OPS - teaching.LESSONS.keys() == set()
    for op in terminal.OPS:
        request = terminal.parse(teaching.LESSONS[op].example)
        assert request["op"] in (op, "revoke-key")


def taught(*words):
    out = Console(file=io.StringIO(), width=200)
    sitting.teach(list(words), out)
    return out.file.getvalue()


def test_help_teaches_all_commands_or_one():
    assert set(sitting.KNOWN) <= {line.split()[0] for line in taught().splitlines() if line}
    assert "example release c42" in " ".join(taught("release").split())
    with pytest.raises(ValueError, match="did you mean release"):
        taught("relaese")


# Completion.


async def completed(text, answers=None):
    asked = []

    async def ask(question):
        asked.append(question)
        return (answers or {}).get(question, {})

    words = completing.Words(sitting.KNOWN, ask)
    found = words.get_completions_async(Document(text), CompleteEvent(completion_requested=True))
    return [(one.text, one.start_position) async for one in found], asked


async def test_commands_are_completed():
    assert await completed("insp") == ([("inspect", -4)], [])
    assert await completed("re") == (
        [(op, -2) for op in ("relearn", "release", "requeue", "resume")],
        [],
    )
    assert await completed("watch sta") == ([("status", -3)], [])
    assert await completed("help wa") == ([("watch", -2)], [])
    assert await completed("status ") == ([], [])


async def test_customers_are_asked_of_the_service_also_by_their_address():
    rows = [{"customer": "c42", "email": "zoe@x.example"}, {"customer": "it's", "email": None}]
    answers = {'{"op":"customers","search":"zoe@"}': {"customers": rows}}
    found, asked = await completed("inspect zoe@", answers)
    assert found == [("c42", -4), ("""'it'"'"'s'""", -4)]
    assert asked == ['{"op":"customers","search":"zoe@"}']


async def test_a_word_within_quotes_is_completed_with_them():
    found, _ = await completed('tail event "Order Pa')
    assert found == [("'Order Paid'", -9)]
    assert terminal.parse(f"tail event {found[0][0]}")["name"] == "Order Paid"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("queue de", [("dead", -2)]),
        ("pause la", [("lane", -2)]),
        ("pause lane ", [(lane, 0) for lane in "0123"]),
        ("tail out", [("outcome", -3)]),
        ("tail outcome withh", [("withheld", -5)]),
        ("tail outcome withheld prog", [("programme", -4)]),
        ("keys re", [("revoke", -2)]),
        ("clock ", [("advance", 0)]),
    ],
)
async def test_words_that_are_known_stand_where_they_belong(text, found):
    answers = {'{"op":"customers","search":"de"}': {}}
    assert (await completed(text, answers))[0] == found


async def test_programmes_mails_and_keys_are_asked_of_the_service():
    answers = {
        '{"op": "programmes"}': {"cart": {}, "carrier": {}, "review": {}},
        '{"op":"queue"}': {"mails": [{"mail": "m1"}, {"mail": "x2"}]},
        '{"op":"keys"}': {"keys": [{"id": "secret-2", "kind": "secret"}]},
    }
    assert (await completed("tail programme car", answers))[0] == [("cart", -3), ("carrier", -3)]
    assert (await completed("programmes rev", answers))[0] == [("review", -3)]
    assert (await completed("why m", answers))[0] == [("m1", -1)]
    assert (await completed("keys revoke ", answers))[0] == [("secret-2", 0)]


# Caution.


@pytest.mark.parametrize(
    "typed",
    [
        "release c42", "requeue m1", "cancel-mail m1", "pause all they asked", "drain",
        "unsuppress c42", "unsuppress c42 a@b.example", "keys revoke secret-2", "send c42 Paid",
    ],
)  # fmt: skip
def test_what_is_not_easily_undone_is_said_before(typed):
    request = terminal.parse(typed)
    said = caution(request)
    assert said
    named = [request[name] for name in ("mail", "name") if request.get(name)]
    assert all(name in said for name in named)


@pytest.mark.parametrize(
    "typed", ["status", "pause lane 3", "resume all", "queue", "keys", "clock advance 3h", "tail"]
)
def test_what_is_harmless_is_not_asked_about(typed):
    assert caution(terminal.parse(typed)) == ""


def test_yes_at_the_end_is_an_answer():
    assert agreed("pause all --yes") == ("pause all", True)
    assert agreed("pause all say --yes or no") == ("pause all say --yes or no", False)


# What is shown, and what is kept.


def test_what_a_customer_is_called_is_not_obeyed_by_the_terminal():
    out = Console(file=io.StringIO(), width=200, highlight=False)
    hostile = "Zo\x1b[2Jé\x07\x9b31m\u202eeoz"
    terminal.show({"name": hostile, "message": f"a\n{hostile}", "rows": [{"x": hostile}]}, out)
    text = out.file.getvalue()
    assert not set("\x1b\x07\x9b\u202e") & set(text)
    assert text.count(r"Zo\x1b[2Jé") == 3


def test_history_is_its_owners_alone_and_holds_no_key(tmp_path):
    path = tmp_path / "state" / "ecrm" / "history"
    path.parent.mkdir(parents=True)
    path.touch(0o644)
    history = sitting.History(path)
    for line in ("inspect c42", "ok_LFsylLCFlQZZwzW-W9Tdnet-L0gUOZjq", "--key sk_crT15Gu7R-164Z x"):
        history.append_string(line)
    history.append_string("why m1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(sitting.History(path).load_history_strings()) == ["why m1", "inspect c42"]


def test_a_table_that_is_too_wide_tells_the_rest_of_a_row_in_one_cell():
    row = {"mail": "0" * 36, "customer": "c42", "kind": "k01", "state": "accepted", "lane": 1,
           "at": "2026-03-02T09:00:00.123Z", "due": "2026-03-02T09:00:00.123Z"}  # fmt: skip
    out = Console(file=io.StringIO(), width=110, highlight=False)
    terminal.show({"mails": [row, row]}, out)
    text = out.file.getvalue()
    assert "accepted" in text
    assert "at: 2026-03-02T09:00:00.123Z" in text
    wide = Console(file=io.StringIO(), width=200, highlight=False)
    terminal.show({"mails": [row, row]}, wide)
    assert "at: " not in wide.file.getvalue()
