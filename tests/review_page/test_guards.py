"""Addresses, origins and forms: what is taken for our own."""

from __future__ import annotations

import pytest

from tasks.review_page import guards


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1:80", True),
        ("LocalHost:80", True),
        ("[::1]:80", True),
        ("127.0.0.1:81", False),
        ("127.0.0.1", False),
        ("evil.example:80", False),
        ("127.0.0.1.evil.example:80", False),
        ("127.0.0.1:80@evil.example", False),
        (None, False),
    ],
)
def test_a_host_is_this_machine_under_the_port_that_was_printed(host: str | None, is_own: bool) -> None:
    assert guards.is_own_host(host, 80) is is_own


def test_an_origin_is_the_same_address_and_nothing_else() -> None:
    host = "127.0.0.1:80"
    assert guards.is_own_origin("http://127.0.0.1:80", host)
    assert guards.is_own_origin(None, host)
    for origin in ("null", "", "https://127.0.0.1:80", "http://127.0.0.1:800", "http://localhost:80"):
        assert not guards.is_own_origin(origin, host)


def test_a_form_code_holds_for_one_form_of_one_token_alone() -> None:
    code = guards.form_code(b"key", "token", "form")
    assert guards.is_form_code(b"key", "token", "form", code)
    for key, token, form in ((b"yek", "token", "form"), (b"key", "toke", "nform"), (b"key", "token", "from")):
        assert not guards.is_form_code(key, token, form, code)
    assert not guards.is_form_code(b"key", "token", "form", "é")
