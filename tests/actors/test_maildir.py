"""The Maildir: one file a mail, whatever happens, and a reason where there is none."""

from __future__ import annotations

import email
import email.policy

import pytest

from actors.outside import open_outside
from actors.transports.maildir import Maildir
from actors.transports.port import Letter
from ecrm.errors import Misconfigured
from tests.actors.house import START, a_mail

BODY = b"Subject: Merci\r\nMIME-Version: 1.0\r\n\r\nBonjour\r\n"


@pytest.fixture
async def outside():
    async with open_outside() as door:
        yield door


@pytest.fixture
def maildir(tmp_path, outside):
    return Maildir(tmp_path / "mail", outside)


def files(maildir, part="new"):
    return sorted(file.name for file in (maildir.folder / part).iterdir())


async def test_a_mail_goes_through_tmp_to_new_under_a_name_made_of_its_id(maildir):
    [handed] = await maildir.send([Letter(a_mail("0195-abc"), BODY)])
    assert files(maildir) == [f"{START // 1_000}.0195-abc.ecrm"]
    assert handed == (type(handed))("0195-abc", "accepted", f"maildir: new/{files(maildir)[0]}")
    assert (files(maildir, "tmp"), files(maildir, "cur")) == ([], [])


async def test_a_mail_says_where_it_comes_from_and_is_otherwise_what_was_built(maildir):
    await maildir.send([Letter(a_mail("m1"), BODY)])
    [file] = (maildir.folder / "new").iterdir()
    data = file.read_bytes()
    letter = email.message_from_bytes(data, policy=email.policy.default)
    assert {name: value for name, value in letter.items() if name.startswith("X-Ecrm")} == {
        "X-Ecrm-Kind": "k11",
        "X-Ecrm-Programme": "confirmation/confirmed",
        "X-Ecrm-Customer": "ana",
        "X-Ecrm-At": "2026-03-02T09:00:00Z",
    }
    assert (letter["Subject"], letter.get_content()) == ("Merci", "Bonjour\r\n")
    assert data.endswith(b"\r\n\r\nBonjour\r\n")


async def test_a_mail_handed_over_twice_is_one_file(maildir):
    letter = Letter(a_mail("m1"), BODY)
    for _ in range(2):
        [handed] = await maildir.send([letter])
        assert handed.verdict == "accepted"
    await maildir.send([letter, letter])
    assert len(files(maildir)) == 1


async def test_what_a_crash_left_in_tmp_is_written_anew(maildir):
    letter = Letter(a_mail("m1"), BODY)
    (maildir.folder / "tmp" / f"{START // 1_000}.m1.ecrm").write_bytes(b"Subj")
    assert await maildir.took(letter.mail) is False
    await maildir.send([letter])
    [file] = (maildir.folder / "new").iterdir()
    assert file.read_bytes().endswith(b"Bonjour\r\n")
    assert files(maildir, "tmp") == []


@pytest.mark.parametrize("flags", ["", ":2,", ":2,S", ":2,RST"])
async def test_a_mail_that_was_read_meanwhile_is_known_to_have_been_taken(maildir, flags):
    mail = a_mail("m1")
    assert await maildir.took(mail) is False
    await maildir.send([Letter(mail, BODY)])
    [file] = (maildir.folder / "new").iterdir()
    file.rename(maildir.folder / "cur" / f"{file.name}{flags}")
    assert await maildir.took(mail) is True
    assert await maildir.took(a_mail("m")) is False


async def test_a_full_disk_is_a_reason_to_try_again_and_the_others_go(maildir):
    (maildir.folder / "tmp" / f"{START // 1_000}.m1.ecrm").symlink_to("/dev/full")
    handed = await maildir.send([Letter(a_mail(name), BODY) for name in ("m1", "m2")])
    assert [(one.verdict, one.response) for one in handed] == [
        ("retry", "maildir: No space left on device"),
        ("accepted", f"maildir: new/{START // 1_000}.m2.ecrm"),
    ]
    assert files(maildir) == [f"{START // 1_000}.m2.ecrm"]


@pytest.mark.parametrize("part", ["tmp", "new"])
async def test_a_folder_that_cannot_be_written_to_is_a_reason_to_try_again(maildir, part):
    (maildir.folder / part).rmdir()
    (maildir.folder / part).write_bytes(b"no folder")
    handed = await maildir.send([Letter(a_mail(name), BODY) for name in ("m1", "m2")])
    assert [(one.verdict, one.response) for one in handed] == [
        ("retry", "maildir: Not a directory")
    ] * 2
    (maildir.folder / part).unlink()
    (maildir.folder / part).mkdir()
    assert [one.verdict for one in await maildir.send([Letter(a_mail("m1"), BODY)])] == ["accepted"]


async def test_a_folder_that_is_gone_is_a_reason_to_try_again(maildir):
    (maildir.folder / "new").rmdir()
    [handed] = await maildir.send([Letter(a_mail("m1"), BODY)])
    assert (handed.verdict, handed.response) == ("retry", "maildir: No such file or directory")


async def test_a_maildir_that_cannot_be_made_says_what_to_do(tmp_path, outside):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured, match="Not a directory; name another with --data"):
        Maildir(tmp_path / "file" / "mail", outside)
