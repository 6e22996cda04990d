"""Files of products: what is taken, what is refused and why, and what is no file of ours."""

from __future__ import annotations

import gzip

import msgspec
import pytest

from actors.imports import (
    FLAGS,
    LISTS,
    NUMBERS,
    PROPERTIES,
    Ignored,
    Told,
    read_products,
)
from actors.tables import Refused, count_lines
from ecrm.errors import Misconfigured
from proto import events

WHOLE = events.ProductUpserted(
    product_id="fifa-26", sku="F26", category="games", name='FIFA "26", the game', brand="EA",
    variant="PS5", price=59.99, quantity=1, coupon="NONE", position=3,
    url="https://shop.example/f", image_url="https://shop.example/f.jpg", currency="EUR",
    complements=("pad", "film"), services=("care",), creator_id="ea", series_id="fifa",
    edition="26", purchase_kind="impulse", recurring=False, cycle_days=365,
    affinity_categories=("sport", "consoles & more"), in_stock=True,
)  # fmt: skip


@pytest.fixture
def read(tmp_path):
    """The rows of a file with this content."""

    def read(content, name="products.csv"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_products(file))

    return read


def told(line=2, **properties):
    return Told(line, events.ProductUpserted(**properties))


def cell(value):
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return " | ".join(value)
        case _:
            return '"' + str(value).replace('"', '""') + '"'


def test_every_property_can_stand_in_a_column(read):
    cells = [cell(getattr(WHOLE, name)) for name in PROPERTIES]
    assert all(getattr(WHOLE, name) not in (None, ()) for name in PROPERTIES)
    assert read(f"{','.join(PROPERTIES)}\n{','.join(cells)}\n") == [Told(2, WHOLE)]


def test_every_property_can_stand_in_a_line_of_json(read):
    properties = {name: getattr(WHOLE, name) for name in PROPERTIES}
    assert read(msgspec.json.encode(properties), "p.jsonl") == [Told(1, WHOLE)]


def test_the_kinds_of_columns_are_those_of_the_wire():
    kinds = {
        field.name: str(field.type) for field in msgspec.structs.fields(events.ProductUpserted)
    }
    assert set(PROPERTIES) >= LISTS | FLAGS | NUMBERS
    for name, kind in kinds.items():
        assert (name in LISTS) == ("tuple[" in kind)
        assert (name in FLAGS) == ("bool" in kind)
        numeric = ("int" in kind or "float" in kind) and "str" not in kind
        assert (name in NUMBERS) == numeric


def test_an_empty_cell_says_nothing(read):
    assert read("product_id,name,price,complements,in_stock\ncup,,,,\n") == [told(product_id="cup")]


def test_a_list_is_parted_by_bars(read):
    assert read("product_id,complements\ncup, tray |pot||\n") == [
        told(product_id="cup", complements=("tray", "pot"))
    ]


@pytest.mark.parametrize(
    ("said", "meant"),
    [("true", True), ("FALSE", False), ("1", True), ("0", False), ("Yes", True), ("no", False)],
)
def test_a_yes_is_written_in_many_ways(read, said, meant):
    assert read(f"product_id,in_stock\ncup,{said}\n") == [told(product_id="cup", in_stock=meant)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_parted_as_the_first_line_parts_them(read, delimiter):
    rows = read(f"product_id{delimiter}name\ncup{delimiter}Tasse\n")
    assert rows == [told(product_id="cup", name="Tasse")]


@pytest.mark.parametrize(
    ("price", "meant"), [("18,5", 18.5), ("18,50", 18.5), ("18.5", 18.5), ("18", 18), ("-1", -1)]
)
def test_between_semicolons_a_comma_is_a_decimal_point(read, price, meant):
    assert read(f"product_id;price\ncup;{price}\n") == [told(product_id="cup", price=meant)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("product_id;price\ncup;1,234\n", "price: '1,234' is no number: write 1234.50"),
        ('product_id,price\ncup,"18,5"\n', "price: '18,5' is no number: write 1234.50"),
        ("product_id,price\ncup,nan\n", "price: 'nan' is no number: write 1234.50"),
        ("product_id,price\ncup,1e3\n", "price: '1e3' is no number: write 1234.50"),
        (f"product_id,price\ncup,{'9' * 5_000}\n", "price: is too long a number"),
        ("product_id,price\ncup,9999999999999\n", "price: Expected `int` <= 1000000000000"),
        ("product_id,cycle_days\ncup,1.5\n", "cycle_days: Expected `int | null`, got `float`"),
        ("product_id,cycle_days\ncup,0\n", "cycle_days: Expected `int` >= 1"),
        ("product_id,in_stock\ncup,maybe\n", "in_stock: 'maybe' is neither true nor false"),
        ("product_id,purchase_kind\ncup,rash\n", "purchase_kind: Invalid enum value 'rash': write 'impulse' or 'considered'"),
        ("product_id,name\n,Tasse\n", "Object missing required field `product_id`"),
        ("product_id,name\ncup\n", "has 1 columns, the first line 2"),
        ("product_id,name\ncup,Tasse,18\n", "has 3 columns, the first line 2"),
        ('product_id,name\ncup,"Tasse" bleue\n', "is no row: ',' expected after '\"'"),
        ('product_id,name\ncup,"Tasse\n', "is no row: unexpected end of data"),
        (b"product_id,name\ncup,caf\xe9\n", "is not in UTF-8"),
        (f"product_id,name\ncup,{'x' * 200_000}\n", "is no row: field larger than field limit (131072)"),
    ],
)  # fmt: skip
def test_a_row_that_is_wrong_is_refused_with_its_reason(read, text, reason):
    assert read(text) == [Refused(2, reason)]


def test_a_list_that_is_wrong_says_where(read):
    (refused,) = read(f"product_id,complements\ncup,tray|{'x' * 300}\n")
    assert refused == Refused(2, "complements[1]: Expected `str` of length <= 255")


def test_a_wrong_row_does_not_harm_the_others(read):
    rows = read(
        b'product_id,price,name\na,1,\nb,free,\n"c"x,1,\nd,\xff,\n\ne,2,\nf,3,"F\nf"\ng,4,\n'
    )
    assert [(type(row), row.line) for row in rows] == [
        (Told, 2), (Refused, 3), (Refused, 4), (Refused, 5), (Told, 7), (Told, 8), (Told, 10),
    ]  # fmt: skip
    assert rows[5] == told(8, product_id="f", price=3, name="F\nf")


def test_an_id_over_two_lines_is_refused_as_on_the_wire(read):
    (refused,) = read('product_id\n"a\nb"\n')
    assert refused.reason.startswith("product_id: Expected `str` matching regex")


def test_a_column_that_no_product_has_is_said_and_passed_over(read):
    assert read("product_id,prise\ncup,18\n") == [
        Ignored(1, "'prise' is no property of a product; did you mean price?"),
        told(product_id="cup"),
    ]


def test_a_property_that_no_product_has_is_said_once(read):
    line = b'{"product_id": "cup", "prise": 18}\n'
    assert read(line * 2, "p.jsonl") == [
        Ignored(1, "'prise' is no property of a product; did you mean price?"),
        told(1, product_id="cup"),
        told(2, product_id="cup"),
    ]


def test_empty_columns_and_rows_behind_the_last_are_nothing(read):
    assert read("product_id,name,,\ncup,Tasse,,\n,,,\n \n") == [
        told(product_id="cup", name="Tasse")
    ]


@pytest.mark.parametrize("name", ["products.csv", "products.jsonl"])
def test_a_file_may_begin_with_a_mark_and_be_packed(read, name):
    plain = {
        "products.csv": "product_id,name\r\ncup,Thé\r\n",
        "products.jsonl": '{"product_id": "cup", "name": "Thé"}\r\n',
    }[name].encode()
    (expected,) = read(plain, name)
    assert expected.event == events.ProductUpserted(product_id="cup", name="Thé")
    assert read(b"\xef\xbb\xbf" + plain, name) == [expected]
    assert read(gzip.compress(plain), f"{name}.gz") == [expected]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "is no JSON: Input data was truncated"),
        (b"[1]", "is no object: write the properties of one product between { and }"),
        (b'{"product_id": 7}', "product_id: Expected `str`, got `int`"),
        (b'{"product_id": "cup", "in_stock": "yes"}', "in_stock: Expected `bool | null`, got `str`"),
        (b'{"product_id": "cup", "name": "caf\xe9"}', "is not in UTF-8"),
        (b'{"a":' * 100_000, "is no JSON: maximum recursion depth exceeded while deserializing an object"),
        (b'{"product_id": "\\ud800"}', "is no JSON: Input data was truncated"),
    ],
)  # fmt: skip
def test_a_line_of_json_that_is_wrong_is_refused_with_its_reason(read, line, reason):
    rows = read(line + b'\n\n{"product_id": "tray"}\n', "p.jsonl")
    assert rows == [Refused(1, reason), told(3, product_id="tray")]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", b"", "lacks the column product_id"),
        ("a.csv", b"id,name\ncup,Tasse\n", "lacks the column product_id"),
        ("a.csv", "product_id,name\ncup,Tasse\n".encode("utf-16"), "lacks the column product_id"),
        ("a.csv", b"product_id,name,name\n", "more than one column 'name'"),
        ("a.csv", b"x" * 200_000, "is no CSV"),
        ("a.xlsx", b"PK", "is no file of products: write .csv or .jsonl"),
        ("a.csv.gz", b"product_id\n", "cannot read"),
        ("a.csv.gz", gzip.compress(b"product_id\ncup\n", mtime=0)[:-9], "is damaged"),
        ("a.csv.gz", gzip.compress(b"product_id\ncup\n", mtime=0)[:12] + b"\xff" * 30, "is damaged"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_of_products_is_one_line_that_says_so(
    read, tmp_path, name, content, complaint
):
    with pytest.raises(Misconfigured, match=complaint) as refused:
        read(content, name)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("do", [count_lines, lambda path: next(read_products(path))])
def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path, do):
    with pytest.raises(Misconfigured, match=r"cannot read .*No such file"):
        do(tmp_path / "missing.csv")


@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_counted_up_to_the_last_row(tmp_path, packed):
    text = b'product_id,name\ncup,"Tasse\nbleue"\ntray,x'
    file = tmp_path / ("p.csv.gz" if packed else "p.csv")
    file.write_bytes(gzip.compress(text) if packed else text)
    assert count_lines(file) == 4
    assert [row.line for row in read_products(file)] == [2, 4]
