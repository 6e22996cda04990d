"""Invitations in a customer's name (k41): one mail ever, to somebody who agreed to nothing."""

from __future__ import annotations

from tests.worlds import Unsent, text_of

FRIEND = "leo@friends.example"


def html_of(letter):
    return str(letter.get_body(("html",)).get_content())


async def test_an_invitation_goes_at_once_in_the_customers_name(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", firstName="Zoé", locale="fr", consent=False)
    await shop.consents("zoe", "denied")
    await world.until("2026-03-02 22:10")
    await shop.track("zoe", "Invite Sent", invitee_email=FRIEND, invitee_first_name="Léo")
    await world.until("2026-04-30 10:00")
    assert world.kinds() == [("k41", "2026-03-02 22:10")]
    letter = world.letter("k41")
    assert letter["To"] == FRIEND
    assert letter["From"].addresses[0].addr_spec == "commandes@boutique.example"
    assert "Zoé" in letter["Subject"]
    assert letter["X-Ecrm-Programme"] == "invitation/invitation"
    text = text_of(letter)
    assert "Bonjour Léo," in text
    assert "Zoé" in text


async def test_an_invitation_leads_to_no_preferences_and_follows_nothing(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en", lastName="Secretive")
    await shop.track("zoe", "Invite Sent", invitee_email=FRIEND)
    await world.passes(0)
    letter = world.letter("k41")
    assert letter["List-Id"] is letter["List-Unsubscribe"] is letter["List-Unsubscribe-Post"]
    for shown in (text_of(letter), html_of(letter)):
        assert "preferences" not in shown
        assert "Choose what you receive" not in shown
        assert "Read it in your browser" not in shown
        # Who invites has not given away more than a first name.
        assert "zoe@customers.example" not in shown
        assert "Secretive" not in shown
        assert "No more invitations" in shown
    assert "<img" not in html_of(letter)


async def test_the_same_address_is_invited_once_however_it_is_written(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    for address in (FRIEND, FRIEND, "LEO@Friends.example"):
        await shop.track("zoe", "Invite Sent", invitee_email=address)
    await world.until("2026-07-01 10:00")
    await shop.track("zoe", "Invite Sent", invitee_email=FRIEND)
    await world.until("2026-07-10 10:00")
    assert world.kinds("zoe", "k41") == [("k41", "2026-03-02 10:00")]
    assert (
        await world.unsent("zoe", "k41")
        == [Unsent("k41", "invitation/invitation", "condition")] * 3
    )


async def test_two_people_may_each_invite_the_same_friend(autojump_clock, world):
    shop = await world.shop()
    for user in ("zoe", "ben"):
        await shop.knows(user)
        await shop.track(user, "Invite Sent", invitee_email=FRIEND)
    await world.passes(0)
    assert sorted((x["X-Ecrm-Customer"], x["To"]) for x in world.letters()) == [
        ("ben", FRIEND),
        ("zoe", FRIEND),
    ]


async def test_ten_invitations_a_day_and_the_next_day_ten_more(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", timezone="Europe/Paris")
    for number in range(12):
        await shop.track("zoe", "Invite Sent", invitee_email=f"friend{number}@friends.example")
    await world.until("2026-03-03 00:05")
    assert world.kinds("zoe", "k41") == [("k41", "2026-03-02 10:00")] * 10
    assert [one.reason for one in await world.unsent("zoe", "k41")] == ["condition"] * 2
    # The two who were too many were not invited: they still may be.
    await shop.track("zoe", "Invite Sent", invitee_email="friend11@friends.example")
    await world.passes(0)
    assert world.kinds("zoe", "k41")[10:] == [("k41", "2026-03-03 00:05")]


async def test_who_has_no_address_may_invite_and_who_names_none_invites_nobody(
    autojump_clock, world
):
    shop = await world.shop()
    await shop.track("zoe", "Invite Sent", invitee_email=FRIEND)
    await shop.track("zoe", "Invite Sent", invitee_first_name="Léo")
    await world.until("2026-03-10 10:00")
    assert [(mail.kind, mail.to) for mail in world.mails("zoe")] == [("k41", FRIEND)]


async def test_an_advertisement_is_no_first_name(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", firstName="WIN https://spam.example", locale="en")
    await shop.track(
        "zoe", "Invite Sent", invitee_email=FRIEND, invitee_first_name="visit spam.example now"
    )
    await world.passes(0)
    letter = world.letter("k41")
    assert letter["Subject"] == "An invitation to Ma boutique"
    assert "spam.example" not in text_of(letter)
    assert "spam.example" not in html_of(letter)
