"""Logs: what happened, one line each, and nothing in them that is nobody's business."""

from __future__ import annotations

import io
import logging

import msgspec
import pytest
import structlog

from actors import logs
from ecrm.errors import Misconfigured


@pytest.fixture
def out():
    before = structlog.get_config()
    yield io.StringIO()
    structlog.configure(**before)


def logged(out, **environment):
    """Configured as by the environment; the log."""
    logs.configure(environment, json=False, quiet=False, out=out)
    return structlog.get_logger()


def lines(out):
    return [msgspec.json.decode(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("zoe@example.org", "z…@example.org"),
        ("to <Zoé.Martin+x@Example.org>: 550 5.1.1", "to <Z…@Example.org>: 550 5.1.1"),
        ('"Zoé Martin"@example.org', "Z…@example.org"),
        ("zoe@localhost", "z…@localhost"),
        ("zoe@[192.0.2.1] and a@b.example, c@d.example", "z…@[192.0.2.1] and a…@b.example, c…@d.example"),
        ("KeyError('zoé@exämple.org')", "KeyError('z…@exämple.org')"),
        ("/v1/x?email=zoe%40example.org", "/v1/x?email=z…%40example.org"),
        ("unsubscribe+AbCdEfGhIjKl@news.example", "u…@news.example"),
        ("no key sk_Ab-3_xyzxyzxyz here", "no key sk_… here"),
        ("ok_0123456789abcdef", "ok_…"),
        ("is_0123456789abcdefg, SG.abcdefgh.ijklmnopq", "is_…, SG.…"),
        ("it is_spooled in a key-value-store", "it is_spooled in a key-value-store"),
        ("whsec_MfKQ9r8GKYqrTwjU", "whsec_…"),
        ("Authorization: Bearer abc.def-ghi_jkl=", "Authorization: Bearer …"),
        ("Basic c2tfdGVzdDo=", "Basic …"),
        ("535 password=hunter2 is wrong", "535 password=… is wrong"),
        ("https://user:pass@api.example/send", "https://…@api.example/send"),
        ("https://m.example/u/AQAAAZ0k3xw-_yQ.abc", "https://m.example/u/…"),
        ("mail 01890a5d-ac96-7e4a taken, 250 OK", "mail 01890a5d-ac96-7e4a taken, 250 OK"),
        ("https://example.org/shop?x=1", "https://example.org/shop?x=1"),
        ("@ 5 EUR", "@ 5 EUR"),
    ],
)  # fmt: skip
def test_what_others_say_is_masked(said, written):
    assert logs.masked(said) == written
    assert logs.masked(written) == written


def test_a_field_with_a_secret_shows_nothing_of_it_and_whatever_is_inside_is_masked(out):
    log = logged(out, ECRM_LOG="json")
    log.info(
        "happened",
        password="short",
        code=7,
        said=["zoe@example.org", {"token": "x", "to": ("max@example.org",)}],
        error=ValueError("zoe@example.org"),
        done=None,
    )
    (line,) = lines(out)
    del line["timestamp"]
    assert line == {
        "event": "happened",
        "level": "info",
        "password": "…",
        "code": 7,
        "said": ["z…@example.org", {"token": "…", "to": ["m…@example.org"]}],
        "error": "z…@example.org",
        "done": None,
    }


@pytest.mark.parametrize("form", logs.FORMATS)
def test_a_traceback_is_masked_too(out, form):
    log = logged(out, ECRM_LOG=form)
    try:
        int("zoe@example.org sk_0123456789")
    except ValueError:
        log.exception("went_wrong")
    said = out.getvalue()
    assert "ValueError: invalid literal for int() with base 10: 'z…@example.org sk_…'" in said
    assert "Traceback" in said


def test_libraries_are_masked_like_we_are(out):
    logged(out, ECRM_LOG="json")
    record = logging.LogRecord(
        "some.library", logging.WARNING, __file__, 1, "no mail to %s", ("zoe@example.org",), None
    )
    logs.Libraries().emit(record)
    (line,) = lines(out)
    assert (line["event"], line["logger"]) == ("library_said", "some.library")
    assert (line["level"], line["said"]) == ("warning", "no mail to z…@example.org")


def test_the_environment_says_form_and_level(out):
    log = logged(out, ECRM_LOG="json", ECRM_LOG_LEVEL="Warning")
    log.info("not_said")
    log.warning("said")
    assert [line["event"] for line in lines(out)] == ["said"]


def test_without_a_word_of_the_environment_lines_are_for_a_person(out):
    logged(out).info("said", mail="m1")
    assert "said" in out.getvalue()
    assert "mail=m1" in out.getvalue()


@pytest.mark.parametrize("name", ["ECRM_LOG", "ECRM_LOG_LEVEL"])
def test_what_the_environment_cannot_mean_is_a_mistake_that_says_what_it_can(name):
    with pytest.raises(Misconfigured, match=rf"{name}: 'loud' is none of .*(json|info)"):
        logs.configure({name: "loud"}, json=False, quiet=False)
