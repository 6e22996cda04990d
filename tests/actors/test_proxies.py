"""Whose address a request really comes from, behind reverse proxies."""

from __future__ import annotations

import pytest

from actors.proxies import Proxies, network

OURS = ("127.0.0.1", "10.0.0.0/8", "2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "forwarded", "visitor"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["1.2.3.4", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
        ("127.0.0.1", ["198.51.100.1, unknown"], ""),
        ("127.0.0.1", [""], ""),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("2001:db8::1", ["[2a00::7]:4711"], "2a00::7"),
        ("::ffff:127.0.0.1", ["2a00::7"], "2a00::7"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_a_header_is_believed_as_far_as_trusted_proxies_wrote_it(peer, forwarded, visitor):
    assert Proxies(OURS).visitor(peer, forwarded) == visitor


def test_without_trusted_proxies_no_header_is_believed():
    assert Proxies().visitor("127.0.0.1", ["198.51.100.1"]) == "127.0.0.1"


@pytest.mark.parametrize("bad", ["localhost", "10.0.0.1/8", "", "10.0.0.0/33", "*"])
def test_what_is_no_network_is_refused(bad):
    with pytest.raises(ValueError, match=r"write 127\.0\.0\.1 or 10\.0\.0\.0/8"):
        network(bad)
