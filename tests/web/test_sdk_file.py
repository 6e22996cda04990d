"""The browser SDK as a file: small, typed, and free to be loaded by any shop."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from actors import samples
from actors.web import app
from actors.web.look import Look

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "templates" / "web" / "static"
SDK, TYPES = STATIC / "ecrm.js", STATIC / "ecrm.d.ts"
TSC = ROOT / "tests" / "node" / "node_modules" / "typescript" / "bin" / "tsc"
USE = """
import ecrm, { ecrm as same, type Problem } from "./ecrm.js";

const heard: Problem[] = [];
ecrm.init({ key: "pk_x", url: "https://m.shop.example", onError: (problem) => heard.push(problem) });
ecrm.consent(true);
ecrm.identify("c42", { firstName: "Zoé", preferences: { tea: "green" } }, { userHash: "ab" });
ecrm.page("home", { category: "teas" });
ecrm.product.listed(["pot", 7, { product_id: "cup", price: 8.5 }], { list_id: "teas" });
ecrm.cart.add({ product_id: 12, price: 2, quantity: 3 }, { cart_id: "c1" });
ecrm.cart.add("pot");
ecrm.checkout.started({ cart_id: "c1", products: ["pot"] });
ecrm.checkout.step("address");
ecrm.checkout.completed(2, { shipping_method: "point" });
same.track("Coupon Entered", { coupon_name: "TEA10" });
const id: string = ecrm.anonymousId();
ecrm.reset();
"""
MISUSE = {
    "no key": "ecrm.init({})",
    "a consent in words": 'ecrm.consent("yes")',
    "a product without an id": "ecrm.cart.add({ price: 3 })",
    "a price in words": 'ecrm.cart.add({ product_id: "a", price: "nine" })',
    "a list that is none": 'ecrm.cart.viewed("pot")',
    "no such call": "ecrm.order.paid()",
}


def ran(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    return subprocess.run(
        ["node", *words], cwd=folder, capture_output=True, text=True, timeout=200, check=False
    )


def test_it_is_small():
    assert len(gzip.compress(SDK.read_bytes(), 9)) < 6_000


def test_what_is_right_is_typed_and_what_is_wrong_is_found(tmp_path):
    if not TSC.exists():
        pytest.skip("there is no TypeScript: python -m tests.install_peers")
    shutil.copy(TYPES, tmp_path)
    (tmp_path / "use.ts").write_text("\n".join([USE, *MISUSE.values()]), encoding="utf-8")
    options = "--strict --noEmit --target es2022 --module esnext --moduleResolution bundler"
    done = ran(tmp_path, str(TSC), *options.split(), "--lib", "es2022", "use.ts")
    wrong = [
        int(line) for line in re.findall(r"^use\.ts\((\d+),.*error TS", done.stdout, re.MULTILINE)
    ]
    first = len(USE.split("\n")) + 1
    assert wrong == [*range(first, first + len(MISUSE))], done.stdout


def test_types_and_file_name_the_same_calls(tmp_path):
    names = (
        "tree => Object.entries(tree).map(([k, v]) => typeof v === 'object' ? [k, names(v)] : k)"
    )
    script = (
        f"import ecrm from {SDK.as_uri()!r}; const names = {names};"
        "console.log(names(ecrm).flat(9).sort().join(' '))"
    )
    done = ran(tmp_path, "--input-type=module", "-e", script)
    told = TYPES.read_text("utf-8").partition("interface Ecrm {")[2].partition("\n}")[0]
    assert done.stdout.split() == sorted(
        re.findall(r"^ +(?:readonly )?(\w+)[:(]", told, re.MULTILINE)
    )


async def test_pages_of_other_origins_may_load_it_and_keep_it():
    client = app.make(Look(ROOT / "templates", samples.SHOP), []).test_client()
    answer = await client.get("/static/ecrm.js", headers={"Origin": "https://shop.example"})
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert await answer.get_data(as_text=False) == SDK.read_bytes()


def test_where_pages_are_made_on_a_server_it_does_nothing(tmp_path):
    script = f"import ecrm from {SDK.as_uri()!r}; ecrm.init({{key: 'k'}}); ecrm.cart.add('a')"
    done = ran(tmp_path, "--input-type=module", "-e", script)
    assert (done.returncode, done.stdout) == (0, "")
