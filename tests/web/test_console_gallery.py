"""The console's gallery and its mails as they lie in the Maildir, whoever wrote them."""

from __future__ import annotations

import os
import re
from html import unescape

import pytest

from actors import samples
from actors.web.console import letters
from ecrm import programmes
from tests.web.operators import HOSTILE, assert_harmless

EXPIRES = "2026-03-02T09:15:00Z"
KNOWN = {sample.template: number for number, sample in samples.of_programmes(programmes.ALL)}


async def test_every_mail_of_the_programmes_hangs_in_the_gallery(autojump_clock, operator):
    page = await operator.sees("/console/gallery", language="fr", amount="bare")
    hung = re.findall(r'<a href="/console/gallery/mail\?([^"]+)">(k\d\d) ([^<]+)</a>', page)
    assert {template: number for _, number, template in hung} == KNOWN
    assert {unescape(about).split("&", 1)[1] for about, _, _ in hung} == {"language=fr&amount=bare"}
    frames = re.findall(r"<iframe[^>]*>", page)
    assert len(frames) == len(KNOWN)
    assert [one for one in frames if ' sandbox loading="lazy" tabindex="-1"' not in one] == []
    assert_harmless(page, "gallery")


async def test_a_sample_is_shown_large_in_each_language_by_the_shops_own_name(
    autojump_clock, operator, world
):
    about = {"template": "cart/reminder", "language": "fr"}
    page = await operator.sees("/console/gallery/mail", **about)
    answer = await operator.get("/console/gallery/html", **about)
    html = await answer.get_data(as_text=True)
    assert "Bonjour Anne" in unescape(page)
    assert "List-Unsubscribe:" in page
    assert "Lampe de bureau Atelier" in html
    assert not re.search(r"<a\b[^>]*\shref", html)
    assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors 'self'; sandbox")
    assert world.service.settings.shop.name in unescape(page)
    english = await operator.sees("/console/gallery/mail", template="cart/reminder")
    assert "Hello Anne" in unescape(english)


async def test_much_too_much_in_a_sample_runs_nothing(autojump_clock, operator):
    page = await operator.sees("/console/gallery/mail", template="cart/reminder", amount="long")
    assert_harmless(page, "sample")
    assert "<b>3" in unescape(page)


@pytest.mark.parametrize("template", ["", HOSTILE, "parts/head", "../../web/pages/gone", "k07"])
async def test_a_template_of_no_programme_is_not_there(autojump_clock, operator, template):
    for place in ("mail", "html"):
        answer = await operator.get(f"/console/gallery/{place}", template=template)
        assert answer.status_code == 404


async def test_what_is_asked_for_wrongly_is_shown_as_usual(autojump_clock, operator):
    page = await operator.sees("/console/gallery", language=HOSTILE, amount=HOSTILE)
    assert '<option value="full" selected>' in page
    assert_harmless(page, "gallery")


# The Maildir.


@pytest.fixture
async def cart(autojump_clock, world, operator):
    """The id of a mail, and its file in the Maildir."""
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.pays("zoe", "o1", "cup")
    await world.passes(60_000)
    (row,) = (await world.ask("queue"))["result"]["mails"]
    (file,) = (world.service.settings.maildir / "new").iterdir()
    return row["mail"], file


async def shown(operator, mail_id: str) -> str:
    return await operator.sees("/console/mail", id=mail_id)


async def test_a_mail_is_shown_as_its_file_is(autojump_clock, world, operator, cart):
    mail_id, file = cart
    assert "X-Ecrm-Kind: k11" in await shown(operator, mail_id)
    told = (await world.ask("mail", mail=mail_id))["result"]
    assert told["message"] == file.read_bytes().decode().replace("\r\n", "\n")
    assert told["built"] == "as it lies in the Maildir"
    seen = file.rename(file.parent.parent / "cur" / f"{file.name}:2,S")
    seen.write_bytes(b"Subject: another\n\nchanged by hand")
    page = await shown(operator, mail_id)
    assert "<h1>another</h1>" in page
    assert "changed by hand" in page
    assert "It has no page, only text" in page
    assert "<iframe" not in page


async def test_where_the_file_is_gone_it_is_built_again_and_said(
    autojump_clock, world, operator, cart
):
    mail_id, file = cart
    file.unlink()
    page = await shown(operator, mail_id)
    assert "its file is not in the Maildir any more" in page
    assert "List-Unsubscribe-Post" not in page
    assert "X-Ecrm-Kind" not in page
    assert 'iframe class="phone"' in page


@pytest.mark.parametrize("what", ["link", "pipe", "folder", "flood"])
async def test_what_is_no_mail_is_not_read(autojump_clock, world, operator, cart, what):
    mail_id, file = cart
    file.unlink()
    match what:
        case "link":
            (file.parent.parent / "secret").write_text("Subject: secret\n\nof the house")
            file.symlink_to(file.parent.parent / "secret")
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case _:
            file.write_bytes(b"Subject: flood\n\n" + b"x" * (2 * 2**20))
    page = await shown(operator, mail_id)
    assert "its file is not in the Maildir any more" in page
    assert "of the house" not in page


def bad(head: bytes, body: bytes) -> bytes:
    return b"MIME-Version: 1.0\n" + head + b"\n\n" + body


@pytest.mark.parametrize(
    "message",
    [
        bad(f'Subject: {HOSTILE}\nX-<b>: {HOSTILE}\nTo: "{HOSTILE}'.encode(), HOSTILE.encode()),
        bad(b"Content-Type: text/html; charset=nowhere", HOSTILE.encode()),
        bad(b'Content-Type: text/plain; charset="\x00"', b"\xff\xfe\x00"),
        bad(b"Content-Transfer-Encoding: base64\nContent-Type: text/html", b"!!!=not base64"),
        bad(b"Content-Type: multipart/mixed; boundary=x", b"--x\n" * 2_000),
        bad(b"Subject: =?utf-8?q?" + b"=FF" * 50 + b"?=\nFrom: =?x?=, ,;<<>>@@\nDate: \xff", b""),
        b"Content-Type: multipart/alternative; boundary=a\n\n"
        + b"".join(b"--a\nContent-Type: multipart/mixed; boundary=a\n\n" for _ in range(3_000)),
        b"",
        b"\x00" * 1_000,
        b"Message-ID: <\n\nx",
        b"From:\nTo: @:;<\nSender: ()((\n\nx",
    ],
    ids=range(11),
)
async def test_a_mail_that_others_wrote_breaks_and_runs_nothing(
    autojump_clock, world, operator, cart, message
):
    mail_id, file = cart
    file.write_bytes(message)
    assert_harmless(await shown(operator, mail_id), "mail")
    answer = await operator.get("/console/mail/html", id=mail_id)
    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        assert answer.headers["Content-Security-Policy"].endswith("; sandbox")


def test_what_cannot_be_read_of_a_mail_is_named_and_the_rest_is_shown():
    letter = letters.read(b"Subject: one\nContent-Type: text/html; charset=nowhere\n\n<p>x")
    assert letter.subject == "one"
    assert letter.broken == ("html: LookupError",)
    assert ("Content-Type", 'text/html; charset="nowhere"') in letter.headers


async def test_no_secret_is_shown_though_its_file_lies_there(autojump_clock, world, operator):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Verification Code Requested", code="482913", expires_at=EXPIRES)
    await world.passes(60_000)
    (row,) = (await world.ask("queue"))["result"]["mails"]
    (file,) = (world.service.settings.maildir / "new").iterdir()
    assert "482913" in file.read_text()
    page = await shown(operator, row["mail"])
    assert "482913" not in page
    assert "its secret is not shown" in page
