from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecrm import shop

colours = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@given(colours)
def test_whatever_colour_a_shop_has_its_mails_can_be_read(colour):
    brand = shop.brand(colour)
    assert shop.contrast(brand.colour, brand.on_colour) >= shop.CONTRAST
    assert shop.contrast(brand.link, shop.PAGE) >= shop.CONTRAST
    assert shop.contrast(brand.link_dark, shop.NIGHT) >= shop.CONTRAST


def test_a_colour_that_can_be_read_is_left_alone():
    assert shop.brand("#1d5c54").link == "#1d5c54"


def test_black_on_white_is_the_contrast_of_the_standard():
    assert shop.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert shop.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("colour", ["", "red", "#fff", "#12345g", "#1234567"])
def test_a_colour_nobody_can_mix_is_refused(colour):
    with pytest.raises(ValueError, match="#rrggbb"):
        shop.brand(colour)
