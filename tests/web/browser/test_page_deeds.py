"""What people do on the pages behind real mails, in a real browser: it is done, and shown.

That no page asks anybody else, sets a cookie or makes the browser complain is asserted by `visit`.
"""

from __future__ import annotations

import json
import re
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.browsers import DESK, PERSON, PHONE, track, visit

MULTIPART = (
    b'--B\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--B--\r\n'
)


def granted(house, customer, purpose="email_marketing"):
    return house.state(customer)["state"]["consents"][purpose]["granted"]


def told(house, customer):
    """What has happened to a customer, in the console's words."""
    return [
        fact
        for turn in house.ask("journal", customer=customer)["journal"]
        for fact in turn["facts"]
    ]


def posted(url, body, kind):
    """The status of a POST that says no more than it must: no user agent, no Accept."""
    at = urlsplit(url)
    connection = HTTPConnection(at.hostname, at.port, timeout=10)
    connection.putrequest("POST", at.path, skip_accept_encoding=True)
    connection.putheader("Content-Type", kind)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.getheader("Set-Cookie"), len(answer.read()) > 0
    connection.close()
    return found


@pytest.mark.parametrize(
    ("who", "body", "kind"),
    [
        ("bob", b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        ("cleo", MULTIPART, "multipart/form-data; boundary=B"),
    ],
)
def test_a_mailbox_unsubscribes_in_one_click_without_a_user_agent(house, who, body, kind):
    offered = str(house.letters(who, "k07")[-1]["List-Unsubscribe"])
    url = re.search("<(http.*?)>", offered)[1]
    assert granted(house, who)
    assert posted(url, body, kind) == (200, None, True)
    assert not granted(house, who)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_person_leaves_with_the_button_and_is_back_with_another(browser, house, scripts):
    who = "dan" if scripts else "eve"
    with visit(browser, house.web, java_script_enabled=scripts, viewport=PHONE) as seen:
        seen.page.goto(house.link(who, "k07", "u"))
        seen.shows("Stop our news and offers?")
        assert granted(house, who)
        seen.page.click("main button")
        seen.shows("You will get no more news")
        assert not granted(house, who)
        seen.page.click("text=Go on writing to me")
        seen.shows("Your choices are saved.")
        assert granted(house, who)


@pytest.mark.parametrize("scripts", [True, False])
def test_choices_are_saved_and_shown_again(browser, house, scripts):
    who = "fay" if scripts else "gus"
    url = house.link(who, "k07", "p")
    with visit(browser, house.web, java_script_enabled=scripts) as seen:
        page = seen.page
        page.goto(url)
        for legend, choice in (
            ("How often", "At most once a month"),
            ("May we see whether you open our emails?", "No"),
            ("May we see which links of ours you follow?", "No"),
        ):
            page.get_by_role("group", name=legend).get_by_label(choice, exact=True).check()
        page.get_by_label("Newsletter").select_option("No")
        page.get_by_label("News of my parcels").select_option("Together, once a week")
        page.get_by_label("Language of our emails").select_option("Français")
        page.get_by_role("button", name="Save").click()
        seen.shows("Vos choix sont enregistrés.")
        page.goto(url)
        assert page.get_by_label("Une fois par mois au plus").is_checked()
        assert page.get_by_label("Lettre d’information").input_value() == "no"
        assert page.get_by_label("Nouvelles de mes colis").input_value() == "weekly"
        assert page.get_by_label("Langue de nos e-mails").input_value() == "fr"
    state = house.state(who)["state"]
    assert (state["person"]["locale"], state["topics"]["news"]) == ("fr", False)
    assert state["digests"] == {"shipping": "weekly"}
    assert [granted(house, who, one) for one in ("open_tracking", "click_tracking")] == [False] * 2


def test_my_data_are_seen_and_taken_along(browser, house):
    with visit(browser, house.web) as seen:
        seen.page.goto(house.link("ana", "k07", "p"))
        seen.page.click("text=See what you know about me")
        seen.shows("ana@customers.example", "A-ana", "Cast-iron teapot, 0.8 l × 1")
        subjects = {str(one["Subject"]) for one in house.letters("ana")}
        listed = set(seen.page.locator("main li a").all_inner_texts())
        assert listed < subjects
        # The mail to a friend in her name is no mail to her.
        assert subjects - listed == {"Ana invites you to Maison Verte"}
        with seen.page.expect_download() as begun:
            seen.page.click("text=Take my data along")
        taken = json.loads(begun.value.path().read_bytes())
    assert begun.value.suggested_filename == "my-data.json"
    assert (taken["customer"], taken["state"]["person"]["first_name"]) == ("ana", "Ana")


def test_erasing_is_confirmed_and_then_done(browser, house):
    preferences = house.link("hal", "k07", "p")
    with visit(browser, house.web) as seen:
        seen.page.goto(preferences)
        seen.page.click("text=Erase my data")
        seen.shows("hal@customers.example")
        assert house.state("hal")["state"]["person"]["email"] == "hal@customers.example"
        seen.page.click("text=Erase everything for good")
        seen.shows("Your data is being erased.")
        house.passes("2h")
        assert seen.page.goto(preferences).status == 404
        seen.page.goto(house.link("hal", "k07", "u"))
        seen.shows("This email is too old")
        assert seen.page.locator("main a.button").get_attribute("href").startswith("mailto:")
    assert str(house.letters("hal")[-1]["X-Ecrm-Kind"]) == "k31"
    with pytest.raises(LookupError, match="nobody has told anything of hal"):
        told(house, "hal")


def test_a_star_is_one_tap_and_a_comment_may_follow(browser, house):
    with visit(browser, house.web, viewport=PHONE, java_script_enabled=False) as seen:
        seen.page.goto(house.link("ida", "k17", "r", 3))
        seen.shows("You gave us 4/5.")
        assert seen.page.get_by_label("4", exact=False).first.is_checked()
        seen.page.fill("textarea", "Well packed.")
        seen.page.click("main button")
        seen.shows("Your words have reached us.")
    house.passes("10s")
    assert "rated the shop after order A-ida: 4" in told(house, "ida")


def test_what_a_machine_taps_is_asked_to_be_confirmed(browser, house):
    with visit(browser, house.web, user_agent=f"{PERSON} HeadlessChrome") as seen:
        seen.page.goto(house.link("joe", "k17", "r", 1))
        seen.shows("Confirm")
        assert "Thank you!" not in seen.says()
        seen.page.click("text=Confirm")
        seen.shows("You gave us 2/5.")


def test_a_survey_of_support_names_what_it_is_about(browser, house):
    with visit(browser, house.web) as seen:
        seen.page.goto(house.link("joe", "k44", "r", 4))
        seen.shows("You gave us 5/5.")
        seen.shows("How did we help you?")


def test_a_product_is_reviewed_by_its_name(browser, house):
    with visit(browser, house.web, java_script_enabled=False) as seen:
        page = seen.page
        page.goto(house.link("ida", "k18", "w"))
        seen.shows("Cast-iron teapot, 0.8 l")
        page.click("text=Cup without a handle")
        page.locator("label.star").nth(4).click()
        page.fill("textarea", "Small, light & good.")
        page.click("text=Send my review")
        seen.shows("Your review has reached us. Cup without a handle – 5/5")
    assert "reviewed cup: 5" in told(house, "ida")


def test_a_mail_is_read_in_the_browser(browser, house):
    with visit(browser, house.web, viewport=PHONE) as seen:
        seen.page.goto(house.link("zoe", "k07", "v"))
        seen.shows("Votre panier vous attend")
        seen.shows("Cup without a handle")
        assert "/c/" not in seen.page.content()


def test_a_followed_link_leads_to_the_shop(browser, house):
    with visit(browser, house.web, house.front) as seen:
        seen.page.goto(house.link("ana", "k07", "c"))
        assert seen.page.url.startswith(house.front)
        seen.shows("The shop")


def test_a_stranger_wants_no_more_invitations(browser, house):
    url = house.link("ana", "k41", "u")
    with visit(browser, house.web) as seen:
        seen.page.goto(url)
        seen.page.click("main button")
        seen.shows("You will get no more invitations from us.")
        assert "@" not in seen.page.inner_text("main")
    sent = len(house.letters("bob", "k41"))
    house.tells(track("bob", "Invite Sent", invitee_email="friend@elsewhere.example"))
    house.passes("1h")
    assert len(house.letters("bob", "k41")) == sent == 0


@pytest.mark.parametrize(("locale", "said"), [("fr", "Rien n’a été modifié."), ("en", "Nothing was changed.")])  # fmt: skip
@pytest.mark.parametrize("viewport", [PHONE, DESK])
def test_a_link_that_is_not_ours_says_so_in_the_readers_language(browser, house, locale, said, viewport):  # fmt: skip
    whole = house.link("ana", "k07", "u")
    foreign = house.link("ana", "k07", "p").replace("/p/", "/u/")
    with visit(browser, house.web, locale=locale, viewport=viewport) as seen:
        for bad in (whole[:-1], whole[:-9] + "AAAAAAAAA", foreign, house.web + "/u/" + "A" * 48):
            assert seen.page.goto(bad).status == 404
            seen.shows(said)
            assert house.web in seen.page.url
    assert granted(house, "ana")
