"""How the pages are for those who see them small, in the dark, or who do not see or point at all.

`visit` asserts besides that nothing is asked of another host and that the browser has no complaint.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import preview, samples
from actors.templates import Templates
from tests.browsers import AXE, DESK, PHONE, visit

WIDTHS = pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["375", "1280"])

# Radio buttons of one name are one stop; what is hidden is none.
STOPS = """() => {
  const names = new Set(), stops = [];
  for (const one of document.querySelectorAll("a[href], button, input, select, textarea")) {
    if (one.type === "hidden" || (one.type === "radio" && names.has(one.name))) continue;
    if (one.type === "radio") names.add(one.name);
    stops.push(one.type === "radio" ? one.name : one.outerHTML);
  }
  return stops;
}"""
FOCUSED = """() => {
  const one = document.activeElement, beside = one.nextElementSibling || one;
  const shown = [one, beside].some(e => {
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 &&
      box.width > 0 && box.right > 0 && box.left >= 0 &&
      box.bottom > 0 && box.top < innerHeight && style.opacity !== "0";
  });
  return [one === document.body ? "" : one.type === "radio" ? one.name : one.outerHTML, shown];
}"""


@pytest.fixture(scope="module")
def ways(house):
    """Pages of each kind, by name, of a French and of an English reader."""
    preferences, english = (house.link(who, "k07", "p") for who in ("zoe", "ana"))
    return {
        "leave": house.link("zoe", "k07", "u"),
        "leave a friend": house.link("ana", "k41", "u"),
        "preferences": preferences,
        "preferences in English": english,
        "data": preferences + "/data",
        "erase": english + "/erase",
        "rated": house.link("zoe", "k17", "r", 3),
        "survey": house.link("ana", "k44", "r", 4),
        "review": house.link("zoe", "k18", "w"),
        "gone": house.web + "/u/" + "A" * 48,
        "view": house.link("ana", "k07", "v"),
    }


@WIDTHS
def test_no_page_is_wider_than_its_window(browser, house, ways, viewport):
    with visit(browser, house.web, viewport=viewport) as seen:
        for name, url in ways.items():
            seen.page.goto(url)
            wide = seen.page.evaluate("document.documentElement.scrollWidth")
            assert (name, wide) == (name, viewport["width"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, house, ways, scheme):
    if not AXE.exists():
        pytest.skip("there is no axe: python -m tests.install_peers")
    axe = AXE.read_text("utf-8")
    with visit(browser, house.web, bypass_csp=True, color_scheme=scheme, viewport=PHONE) as seen:
        for name, url in ways.items():
            seen.page.goto(url)
            seen.page.evaluate(axe)
            found = seen.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            assert found["passes"], name
            grave = [
                (one["id"], node["html"])
                for one in found["violations"]
                if one["impact"] in ("serious", "critical")
                for node in one["nodes"]
            ]
            assert (name, grave) == (name, [])


def test_the_tab_key_reaches_everything_and_shows_where_it_is(browser, house, ways):
    with visit(browser, house.web, viewport=PHONE) as seen:
        for name, url in ways.items():
            if name == "view":
                continue  # The mail itself, whose styles are the mail's.
            seen.page.goto(url)
            stops = seen.page.evaluate(STOPS)
            reached = []
            for _ in stops:
                seen.page.keyboard.press("Tab")
                where, shown = seen.page.evaluate(FOCUSED)
                assert (name, where, shown) == (name, where, True)
                reached.append(where)
            assert (name, sorted(reached)) == (name, sorted(stops))


def test_the_first_tab_skips_to_the_content(browser, house, ways):
    with visit(browser, house.web) as seen:
        seen.page.goto(ways["preferences in English"])
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.innerText") == "Skip to the content"
        seen.page.keyboard.press("Enter")
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.name") == "email_marketing"


def test_the_gallery_shows_both_frames_whole_on_a_small_desk(browser, tmp_path):
    templates = Templates(Path(__file__).parents[3] / "templates", samples.SHOP)
    shown = [("k07", samples.sample("cart/reminder"))]
    page = tmp_path / "gallery.html"
    page.write_text(preview.gallery(templates, shown), "utf-8")
    tab = browser.new_page(viewport=DESK)
    tab.goto(page.as_uri())
    cut = "[...document.querySelectorAll('.frames')].map(one => one.scrollWidth - one.clientWidth)"
    assert tab.evaluate(cut) == [0, 0]
    tab.close()


def focus(page, selector):
    """Tab until it is there."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("at => document.activeElement.matches(at)", selector):
            return
    pytest.fail(f"no tab leads to {selector}")


def test_choices_are_made_with_the_keyboard_alone(browser, house):
    with visit(browser, house.web) as seen:
        page = seen.page
        page.goto(house.link("ida", "k07", "p"))
        focus(page, "[name=frequency]")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        focus(page, "select[name='topic.news']")
        page.keyboard.type("N")
        focus(page, "button")
        page.keyboard.press("Enter")
        page.wait_for_selector(".done")
        assert page.get_by_label("At most once a week").is_checked()
        assert page.get_by_label("Newsletter").input_value() == "no"


def test_a_score_is_given_with_the_keyboard_alone(browser, house):
    with visit(browser, house.web) as seen:
        page = seen.page
        page.goto(house.link("joe", "k18", "w"))
        focus(page, "[name=score]")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        focus(page, "textarea")
        page.keyboard.type("Good")
        focus(page, "button")
        page.keyboard.press("Space")
        page.wait_for_selector(".done")
        seen.shows("3/5")


def test_leaving_takes_a_tab_and_a_key(browser, house):
    with visit(browser, house.web) as seen:
        seen.page.goto(house.link("joe", "k07", "u"))
        focus(seen.page, "button")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector("[role=status]")
        seen.shows("It is done")
