"""Settings: what stands without a file, what a file changes, and one line for every mistake."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from actors import settings
from ecrm import calendar, delays, programme, programmes
from ecrm.calendar import LocalTime, Quiet
from ecrm.condition import parse
from ecrm.delivery.limiter import limit
from ecrm.engagement import Thresholds
from ecrm.errors import Misconfigured
from ecrm.moment import Instant, days, hours, minutes
from ecrm.offers import Offer
from ecrm.pressure import Limits
from ecrm.rules import Rules
from tests.worlds import instant, open_world

ROOT = Path(__file__).parents[2]


@pytest.fixture
def load(tmp_path):
    def load(text="", data=None, **environment):
        file = tmp_path / "ecrm.toml"
        file.write_text(text)
        return settings.load(file, data, environment)

    return load


def named(loaded, name):
    return next(one for one in loaded.programmes if one.name == name)


def step(loaded, name):
    one, _, name = name.partition("/")
    return named(loaded, one).step(name)


# What stands.


def test_without_a_file_the_defaults_stand(tmp_path):
    loaded = settings.load(tmp_path / "none.toml", None, {})
    assert loaded.database == Path("var/ecrm.db")
    assert loaded.maildir == Path("var/mail")
    assert (loaded.gateway.host, loaded.gateway.port) == ("127.0.0.1", 8765)
    assert (loaded.shop.locale, loaded.shop.timezone, loaded.shop.currency) == (
        "fr", "Europe/Paris", "EUR",
    )  # fmt: skip
    assert loaded.limits == Limits(2, hours(20), Quiet(LocalTime(21), LocalTime(8)))
    assert loaded.programmes == programmes.ALL
    assert loaded.keys == ()


def test_an_empty_file_is_as_good_as_none(load, tmp_path):
    assert load() == settings.load(tmp_path / "none.toml", None, {})


def test_the_example_is_what_stands_without_it(tmp_path):
    example = settings.load(ROOT / "ecrm.toml", None, {})
    assert example == settings.load(tmp_path / "none.toml", None, {})


def test_a_data_folder_holds_the_database_and_the_mails(load):
    loaded = load('[store]\npath = "elsewhere.db"', Path("/data"))
    assert loaded.database == Path("/data/ecrm.db")
    assert loaded.maildir == Path("/data/mail")


def test_what_a_file_says_stands(load):
    loaded = load(
        """
        [shop]
        name = "La Théière"
        locale = "en-GB"
        timezone = "Europe/London"
        currency = "GBP"
        public_url = "https://tea.example"
        [web]
        public_url = "https://mail.tea.example"
        [store]
        path = "tea.db"
        [mail]
        from_marketing = "News <news@tea.example>"
        [delivery]
        rate_per_second = 5
        per_domain = { "Orange.fr" = { rate_per_second = 0.5 } }
        [delivery.maildir]
        path = "tea-mail"
        [pressure]
        marketing_per_week = 1
        min_gap = "2d"
        quiet = "20:30-09:15"
        """
    )
    assert loaded.shop.name == "La Théière"
    assert loaded.mail.links_url == "https://mail.tea.example"
    assert loaded.mail.from_marketing == "News <news@tea.example>"
    assert (loaded.database, loaded.maildir) == (Path("tea.db"), Path("tea-mail"))
    assert loaded.delivery.limit == limit(5)
    assert loaded.delivery.limits == {"orange.fr": limit(0.5)}
    assert loaded.limits == Limits(1, days(2), Quiet(LocalTime(20, 30), LocalTime(9, 15)))


def test_no_quiet_hours_are_none(load):
    assert load('[pressure]\nquiet = ""').limits.quiet is None


def test_what_does_nothing_is_said_aloud(load):
    loaded = load('[mail]\nreturn_path_domain = "bounces.tea.example"')
    assert loaded.idle == ("mail.return_path_domain does nothing with a Maildir",)


# Keys.


def test_of_secret_keys_only_the_hash_is_kept(load):
    loaded = load(
        f"""
        [[keys]]
        id = "shop"
        kind = "secret"
        key = "sk_1"
        [[keys]]
        id = "ops"
        kind = "operator"
        key_sha256 = "{sha256(b"ok_1").hexdigest()}"
        [[keys]]
        id = "browser"
        kind = "publishable"
        key = "pk_1"
        origins = ["https://tea.example"]
        """
    )
    assert [(key.key_id, key.kind, key.secret, key.origins) for key in loaded.keys] == [
        ("shop", "secret", sha256(b"sk_1").hexdigest(), ()),
        ("ops", "operator", sha256(b"ok_1").hexdigest(), ()),
        ("browser", "publishable", "pk_1", ("https://tea.example",)),
    ]


def test_keys_may_come_from_the_environment(load):
    loaded = load(
        ECRM_SECRET_KEY="sk_2",
        ECRM_OPERATOR_KEY="ok_2",
        ECRM_PUBLISHABLE_KEY="pk_2",
        ECRM_IDENTITY_SECRET="is_2",
    )
    assert {key.kind: key.secret for key in loaded.keys} == {
        "identity": "is_2",
        "secret": sha256(b"sk_2").hexdigest(),
        "operator": sha256(b"ok_2").hexdigest(),
        "publishable": "pk_2",
    }


def test_an_empty_variable_is_no_key(load):
    assert load(ECRM_SECRET_KEY="", ECRM_OTHER="x").keys == ()


# Programmes.


def test_a_programme_can_be_switched_off(load):
    loaded = load("[programmes.welcome]\nenabled = false")
    assert [one.name for one in loaded.programmes] == [
        one.name for one in programmes.ALL if one.name != "welcome"
    ]


def test_one_duration_moves_every_clock_of_a_step(load):
    moved = step(load('[programmes.cart.steps.reminder]\nafter = "30min"'), "cart/reminder")
    began = Instant(0)
    for clock in ("Checkout Started", "Product Added"):
        assert delays.due_of(moved.delay, began, {clock: Instant(5)}) == 5 + minutes(30)


def test_a_duration_for_one_clock_leaves_the_others(load):
    text = '[programmes.cart.steps.reminder.after]\n"Product Added" = "2h"'
    moved = step(load(text), "cart/reminder")
    clocks = {"Product Added": Instant(0), "Checkout Started": Instant(0)}
    assert delays.due_of(moved.delay, Instant(0), clocks) == minutes(10)
    assert delays.due_of(moved.delay, Instant(0), {"Product Added": Instant(0)}) == hours(2)


def test_a_step_of_one_clock_is_moved_by_a_duration_or_by_its_name(load):
    for after in ('"20d"', '{ "Order Fulfilled" = "20d" }'):
        moved = step(load(f"[programmes.review.steps.product]\nafter = {after}"), "review/product")
        assert moved.delay == delays.after(days(20), since="Order Fulfilled")


def test_offers_lateness_times_and_conditions_can_be_changed(load):
    changed = step(
        load(
            """
            [programmes.cart.steps.offer]
            offer = { percent = 15 }
            late = "skip after 3h"
            at = "09:30"
            when = "cart.total >= 5000"
            """
        ),
        "cart/offer",
    )
    assert changed.offer == Offer(15)
    assert changed.late == programme.skip(hours(3))
    assert changed.at == LocalTime(9, 30)
    assert changed.when == parse("cart.total >= 5000")
    assert changed.kind == "k08"


def test_lateness_can_be_forgiven(load):
    changed = step(load('[programmes.cart.steps.offer]\nlate = "send"'), "cart/offer")
    assert changed.late == programme.send()


@pytest.mark.parametrize(
    ("written", "offer"),
    [
        ("{ percent = 15, valid = '3d' }", Offer(percent=15, valid=days(3))),
        ("{ percent = 15, minimum = 29.90 }", Offer(percent=15, minimum=2_990)),
        ("{ amount = 5 }", Offer(amount=500)),
        ("{ amount = 7.50, valid = '7d', minimum = 50 }", Offer(amount=750, valid=days(7), minimum=5_000)),
    ],
)  # fmt: skip
def test_an_offer_is_a_rate_or_a_sum_for_a_time_from_a_sum_on(load, written, offer):
    text = f"[programmes.cart.steps.offer]\noffer = {written}"
    assert step(load(text), "cart/offer").offer == offer


def test_the_sums_of_an_offer_are_in_the_currency_of_the_shop(load):
    text = """
        [shop]
        currency = "JPY"
        [programmes.cart]
        budget = 80000
        [programmes.cart.steps.offer]
        offer = { amount = 500, minimum = 3000 }
        """
    loaded = load(text)
    assert step(loaded, "cart/offer").offer == Offer(amount=500, minimum=3_000)
    assert named(loaded, "cart").budget == 80_000


def test_an_offer_can_be_given_where_a_step_had_none(load):
    assert named(load(), "review").step("product").offer is None
    text = "[programmes.review.steps.product]\noffer = { percent = 5, valid = '30d' }"
    assert step(load(text), "review/product").offer == Offer(percent=5, valid=days(30))


def test_a_step_can_be_left_out_and_the_others_stay(load):
    cart = named(load("[programmes.cart.steps.offer]\nenabled = false"), "cart")
    assert [one.name for one in cart.steps] == ["reminder", "last-call"]


def test_a_programme_can_be_given_a_budget_of_a_month_and_other_rounds(load):
    assert (named(load(), "cart").budget, named(load(), "affinity").repeats) == (None, 5)
    loaded = load("[programmes.cart]\nbudget = 250.50\n[programmes.affinity]\nrepeats = 0")
    assert named(loaded, "cart").budget == 25_050
    assert named(loaded, "affinity").repeats == 0


def test_one_duration_moves_a_reminder_before_its_date(load):
    text = '[programmes.appointment.steps.reminder]\nafter = "3h"'
    assert step(load(text), "appointment/reminder").delay == delays.before(hours(3))


def test_one_duration_stands_where_no_product_says_how_long_it_lasts(load):
    before = step(load(), "nursing/second").delay
    moved = step(load('[programmes.nursing.steps.second]\nafter = "60d"'), "nursing/second").delay
    assert moved == delays.cycle(days(60), least=before.least, more=before.more)
    assert before.usual == days(30)


def test_a_digest_goes_at_another_time_of_day(load):
    text = '[programmes.digest.steps.digest]\nat = "07:15"'
    changed = step(load(text), "digest/digest")
    # The end of its period moves: a weekly one goes on Monday at that time, not on Tuesday.
    assert (changed.delay, changed.at) == (delays.gathered("07:15"), None)


def test_the_numbers_of_the_tiers_can_be_changed(load):
    assert load().thresholds == Thresholds()
    loaded = load('[engagement]\nwindow = "90d"\nreceived = 5\nfirst = "14d"')
    assert loaded.thresholds == Thresholds(window=days(90), received=5, first=days(14))


def test_a_programmes_condition_can_be_changed(load):
    loaded = load("""[programmes.cart]\nwhen = 'person.country == "FR"'""")
    assert named(loaded, "cart").when == parse('person.country == "FR"')


async def test_what_is_changed_takes_effect(autojump_clock, tmp_path, load):
    loaded = load(
        """
        [pressure]
        quiet = ""
        [programmes.welcome]
        enabled = false
        [programmes.cart.steps.reminder]
        after = "30min"
        when = "cart.total >= 3000"
        [programmes.cart.steps.offer]
        offer = { percent = 15 }
        at = "06:30"
        """
    )
    changes = {"limits": loaded.limits, "programmes": loaded.programmes}
    async with open_world(tmp_path, autojump_clock, **changes) as world:
        shop = await world.shop()
        await shop.registers("rich")
        await shop.registers("poor")
        await shop.adds("rich", "lamp", price=30)
        await shop.adds("poor", "lamp", price=29)
        await world.until("2026-03-06 10:00")
        assert world.kinds("rich") == [("k07", "2026-03-02 10:30"), ("k08", "2026-03-05 06:30")]
        assert world.kinds("poor") == [("k08", "2026-03-05 06:30")]
        (offer,) = [f for f in await world.past("rich") if type(f).__name__ == "OfferMade"]
        assert offer.percent == 15
        zone = calendar.zone_of("Europe/Paris")
        assert offer.until == calendar.end_of_day(instant("2026-03-05 06:30"), zone)


# Mistakes.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # What does not exist.
        ("[shp]", "'shp' is no setting; did you mean shop?"),
        ('[shop]\nnam = "x"', "'shop.nam' is no setting; did you mean name?"),
        ("x = 1", "'x' is no setting; there are shop, store"),
        ("[programmes.cart]\nenable = true", "'programmes.cart.enable' is no setting; did you mean enabled?"),
        ("[programmes.crat]", "programmes.crat: there is no such programme; did you mean cart?"),
        ("[programmes.xyz]", "programmes.xyz: there is no such programme; there are verification, reset,"),
        ("[programmes.cart.steps.ofer]", "programmes.cart.steps.ofer: there is no such step; did you mean offer?"),
        ('[programmes.cart.steps.reminder.after]\n"Checkout Begun" = "5min"', "is no clock of it; did you mean Checkout Started?"),
        ('[web]\ntrusted_proxies = ["proxy.local"]', "web.trusted_proxies: 'proxy.local' is no address or network: write 127.0.0.1 or 10.0.0.0/8"),
        # Wrong types, numbers and choices.
        ("[shop]\nname = 1", "shop.name: Expected `str`, got `int`"),
        ('[gateway]\nport = "http"', "gateway.port: Expected `int`, got `str`"),
        ("[gateway]\nport = 99999", "gateway.port: Expected `int` <= 65535"),
        ("[pressure]\nmarketing_per_week = -1", "pressure.marketing_per_week: Expected `int` >= 0"),
        ('[programmes.cart]\nenabled = "no"', "programmes.cart.enabled: Expected `bool`, got `str`"),
        ("[programmes.cart.steps.offer]\noffer = { percent = 0 }", "programmes.cart.steps.offer.offer.percent: Expected `int` >= 1"),
        ('[delivery.per_domain."orange.fr"]\nconnections = 0', "delivery.per_domain.orange.fr.connections: Expected `int` >= 1"),
        ('[delivery]\ntransport = "pigeon"', "delivery.transport: Invalid enum value 'pigeon': write 'maildir' or"),
        ('[delivery]\ntransport = "smtp"', "delivery.smtp.host: name the server that takes the mails"),
        ("[delivery]\nrate_per_second = 0", "delivery.rate_per_second: 0.0 mails a second are no rate: write a number above 0"),
        ("[delivery]\nrate_per_second = inf", "delivery.rate_per_second: inf mails a second are no rate"),
        ('[delivery.per_domain."a.fr"]\nrate_per_second = -1', "delivery.per_domain.a.fr: -1.0 mails"),
        # Durations, hours, zones, conditions.
        ('[pressure]\nmin_gap = "soon"', "pressure.min_gap: 'soon' is no duration: write 30s, 10min, 3h or 15d"),
        ('[programmes.cart.steps.offer]\nafter = "2 days"', "programmes.cart.steps.offer.after: '2 days' is no duration"),
        ('[pressure]\nquiet = "21:00"', "pressure.quiet: '21:00' are no quiet hours: write 21:00-08:00"),
        ('[pressure]\nquiet = "25:00-08:00"', "pressure.quiet: '25:00' is no time of day: write 09:30"),
        ('[programmes.cart.steps.offer]\nat = "9h"', "programmes.cart.steps.offer.at: '9h' is no time of day: write 09:30"),
        ('[programmes.cart.steps.offer]\nlate = "never"', "programmes.cart.steps.offer.late: 'never' is no late policy: write \"send\" or \"skip after 3h\""),
        ('[programmes.cart.steps.offer]\nlate = "skip after soon"', "programmes.cart.steps.offer.late: 'soon' is no duration"),
        ('[programmes.cart.steps.offer]\nwhen = "cart.lines >"', "programmes.cart.steps.offer.when: 'cart.lines >' is no condition"),
        ('[programmes.welcome.steps.graduated]\nlate = "send"', "programmes.welcome.steps.graduated sends no mail: it takes no `late`"),
        # Offers, budgets, rounds, and delays of another kind.
        ("[programmes.cart.steps.offer]\noffer = false", "programmes.cart.steps.offer.offer: its mail is about the coupon: write enabled = false for the step instead"),
        ("[programmes.cart.steps.offer]\noffer = {}", "programmes.cart.steps.offer.offer: write either percent or amount"),
        ("[programmes.cart.steps.offer]\noffer = { percent = 5, amount = 5 }", "programmes.cart.steps.offer.offer: write either percent or amount"),
        ("[programmes.cart.steps.offer]\noffer = { amount = 0 }", "programmes.cart.steps.offer.offer.amount: Expected `float` > 0"),
        ("[programmes.cart.steps.offer]\noffer = { amount = 5, minimum = -1 }", "programmes.cart.steps.offer.offer.minimum: Expected `float` >= 0"),
        ('[programmes.cart.steps.offer]\noffer = { amount = 5, valid = "a week" }', "programmes.cart.steps.offer.offer.valid: 'a week' is no duration"),
        ("[programmes.cart.steps.offer]\noffer = { per_cent = 5 }", "per_cent' is no setting; did you mean percent?"),
        ("[programmes.cart]\nbudget = -1", "programmes.cart.budget: Expected `float` >= 0"),
        ("[programmes.affinity]\nrepeats = 101", "programmes.affinity.repeats: Expected `int` <= 100"),
        ('[programmes.appointment.steps.reminder]\nafter = { "Product Added" = "2h" }', 'programmes.appointment.steps.reminder.after: it counts from one beginning: write "3d"'),
        ('[programmes.digest.steps.digest]\nafter = "3d"', "programmes.digest.steps.digest.after: a digest goes when its period ends: set `at`"),
        ("[programmes.farewell.steps.deleted]\nenabled = false", "programmes.farewell: no step is left: write enabled = false for the programme"),
        # The tiers.
        ('[engagement]\nwindow = "400d"', "engagement: window is at most 366d"),
        ('[engagement]\nfirst = "soon"', "engagement.first: 'soon' is no duration"),
        ("[engagement]\nreceived = 41", "engagement.received: Expected `int` <= 40"),
        ("[engagement]\nrecieved = 4", "'engagement.recieved' is no setting; did you mean received?"),
        # The shop and its addresses.
        ('[shop]\ntimezone = "Paris"', "shop.timezone: 'Paris' is no time zone: write one like Europe/Paris"),
        ('[shop]\nlocale = "klingon"', "shop.locale: 'klingon' is no locale: write fr or fr-FR"),
        ('[shop]\ncurrency = "euro"', "shop.currency: 'euro' is no currency: write EUR"),
        ('[shop]\ncolour = "green"', "shop.colour: 'green' is no colour: write #rrggbb"),
        ('[shop]\nsupport_email = "us"', "shop.support_email: the address 'us' has no @"),
        ('[mail]\nfrom_marketing = "us"', "mail.from_marketing: the address 'us' has no @"),
        ('[mail]\nreply_to = "a\\nBcc: b@c.de"', "mail.reply_to: the address"),
        ('[mail]\nunsubscribe = "us"', "mail.unsubscribe: the address 'us' has no @"),
        # Keys.
        ('[[keys]]\nid = "a"\nkind = "secrt"\nkey = "x"', "keys[0].kind: Invalid enum value 'secrt': write 'publishable' or 'secret' or 'operator'"),
        ('[[keys]]\nid = "a"\nkind = "secret"', "keys: key 'a' needs `key` or `key_sha256`"),
        ('[[keys]]\nid = "a"\nkind = "secret"\nkey_sha256 = "zz"', "keys: key_sha256 of 'a': write 64 hex digits"),
        ('[[keys]]\nid = "a"\nkind = "publishable"\nkey_sha256 = "zz"', "keys: publishable key 'a' is kept as it is: give it as `key`"),
        ('[[keys]]\nid = "a"\nkind = "secret"\nkey = "x"\norigins = ["https://a.example"]', "keys: secret key 'a' is never used in a page"),
        ('[[keys]]\nid = "a"\nkind = "publishable"\nkey = "x"\norigins = ["*"]', "keys: origins of 'a': '*' is no origin: write"),
        # The gateway.
        ('[gateway]\nping_after = "soon"', "gateway.ping_after: "),
        ("[gateway.limits]\nsilent = 0", "gateway.limits.silent: "),
        ('[[keys]]\nkind = "secret"\nkey = "x"', "keys[0]: Object missing required field `id`"),
        # The file itself.
        ("[shop\n", "is not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_setting(load, text, said):
    with pytest.raises(Misconfigured) as refused:
        load(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[programmes.cart.steps.offer]\nwhen = "cart.lnes > 0"', "cart/offer: 'cart.lnes' is no reading: did you mean cart.lines?"),
        ('[programmes.cart]\nwhen = "orders.cnt == 0"', "cart: 'orders.cnt' is no reading: did you mean orders.count?"),
    ],
)  # fmt: skip
def test_a_condition_on_what_there_is_not_is_found_before_anybody_is_served(load, text, said):
    loaded = load(text)
    with pytest.raises(Misconfigured) as refused:
        Rules(loaded.shop, loaded.limits, loaded.programmes)
    assert said in str(refused.value)


def test_a_file_that_cannot_be_read_is_one_line_that_names_it(tmp_path):
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    for path, said in ((tmp_path, "cannot read"), (binary, "is not valid TOML")):
        with pytest.raises(Misconfigured, match=said) as refused:
            settings.load(path, None, {})
        assert str(path) in str(refused.value)


def test_ended_mails_are_kept_as_long_as_is_said_and_links_in_them_work(load):
    assert load().kept == days(366)
    assert load('[delivery]\nkeep = "400d"').kept == days(400)
    with pytest.raises(Misconfigured, match="at least 60d"):
        load('[delivery]\nkeep = "30d"')


def test_it_is_known_which_settings_of_programmes_are_written(load):
    loaded = load("""
        [programmes.cart]
        repeats = 1
        [programmes.cart.steps.offer]
        after = "3d"
        [programmes.welcome]
        enabled = false
    """)
    assert loaded.written == {
        "programmes.cart.repeats",
        "programmes.cart.steps.offer.after",
        "programmes.welcome.enabled",
    }
    assert load("").written == frozenset()
