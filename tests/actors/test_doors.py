"""The doors of what comes back: their settings, and who is asked at AWS."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from actors import doors, settings
from actors.doors import BouncesSection, SesSection
from actors.transports.opening import fetcher
from ecrm.errors import Misconfigured, Undelivered

TOPIC = "arn:aws:sns:eu-west-3:123456789012:bounces"


@pytest.fixture
def load(tmp_path):
    def load(text="", **environment):
        file = tmp_path / "ecrm.toml"
        file.write_text(text)
        return settings.load(file, tmp_path / "data", environment)

    return load


def test_without_settings_there_is_no_door(load):
    assert load().doors == BouncesSection()
    assert doors.provers(load().doors, None) == {}


def test_the_spool_lies_beside_the_database(load, tmp_path):
    assert load().spool == tmp_path / "data" / "returns"


def test_a_secret_may_come_from_the_environment(load):
    told = load('[bounces.postmark]\nuser = "shop"', ECRM_POSTMARK_PASSWORD="door").doors
    assert (told.postmark.user, told.postmark.password) == ("shop", "door")
    assert load("", ECRM_POSTMARK_PASSWORD="door").doors.postmark is None
    assert list(doors.provers(told, None)) == ["postmark"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[bounces.postmark]\nuser = 'shop'", "bounces.postmark.password: write it or ECRM_POST"),
        ("[bounces.postmark]\npassword = 'x'", "bounces.postmark.user: write it, or leave"),
        ("[bounces.sendgrid]\nkey = 'no key'", "no ECDSA key"),
        ("[bounces.resend]\nsecret = 'whsec_?'", "bounces.resend.secret: it is no signing secret"),
        ("[bounces.ses]\ntopic_arn = 'bounces'", "bounces.ses.topic_arn: 'bounces' is none"),
        ("[bounces.ses]", "bounces.ses.topic_arn: write it"),
        ("[bounces]\nlmtp_prot = 1", "did you mean lmtp_port?"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_setting(load, text, said):
    with pytest.raises(Misconfigured) as caught:
        load(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_port_where_nothing_can_come_is_said_aloud(load):
    assert any("lmtp_port" in note for note in load("[bounces]\nlmtp_port = 8024").idle)


def test_aws_is_asked_in_the_regions_of_our_topics_alone():
    china = "arn:aws-cn:sns:cn-north-1:123456789012:bounces"
    assert doors.hosts(SesSection(topic_arn=(china, TOPIC))) == [
        "https://sns.cn-north-1.amazonaws.com.cn",
        "https://sns.eu-west-3.amazonaws.com",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "http://sns.eu-west-3.amazonaws.com/x.pem",
        "https://sns.eu-west-3.amazonaws.com.evil.example/x.pem",
        "https://sns.eu-west-3.amazonaws.com@127.0.0.1/x.pem",
        "https://127.0.0.1/x.pem",
    ],
)
async def test_nobody_else_is_asked_for_anything(url):
    fetch = fetcher(BouncesSection(ses=SesSection(topic_arn=TOPIC)), Nowhere())
    with pytest.raises(Undelivered, match="is not an allowed host"):
        await fetch(url)


class Nowhere:
    """A door that counts nothing."""

    def wait(self):
        return nullcontext()
