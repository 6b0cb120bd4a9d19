"""Addresses inside are refused unless the endpoint says so, whatever way they are written."""

from __future__ import annotations

import socket
import time

import pytest

from tasks.deliver import addresses
from tasks.deliver.addresses import Url
from tasks.deliver.parameters import WebhookSettings
from tasks.deliver.wire import Deadline, WireError, looked_at

INSIDE = (
    "127.0.0.1",
    "127.1",
    "0",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:10.0.0.1]",
    "169.254.169.254",
    "100.64.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "[fd00:ec2::254]",
    "[64:ff9b::7f00:1]",
    "[fe80::1]",
    "[::]",
    "[2002:7f00:1::]",
    "224.0.0.1",
    "localhost",
)


def refused(host: str, *, allow_private: bool = False, scheme: str = "https") -> str:
    with pytest.raises(WireError) as caught:
        looked_at(Url.parse(f"{scheme}://{host}/"), Deadline(5), allow_private=allow_private)
    assert caught.value.is_refused
    return str(caught.value)


@pytest.mark.parametrize("host", INSIDE)
def test_addresses_inside_are_refused_however_they_are_written(host: str) -> None:
    assert "not connected to" in refused(host)


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "0"])
def test_the_metadata_of_a_cloud_is_refused_even_where_private_addresses_are_allowed(host: str) -> None:
    refused(host, allow_private=True)


def test_a_private_address_is_allowed_by_name_and_an_address_outside_always() -> None:
    assert looked_at(Url.parse("http://127.0.0.1:1/"), Deadline(5), allow_private=True) == ["127.0.0.1"]
    assert addresses.refusal("93.184.215.14", allow_private=False) is None
    assert addresses.refusal("2606:2800:21f::1", allow_private=False) is None


def test_plain_http_does_not_leave_even_where_private_addresses_are_allowed() -> None:
    assert "use TLS" in refused("93.184.215.14", allow_private=True, scheme="http")


def test_a_name_with_one_address_inside_is_refused_whole() -> None:
    both = ["93.184.215.14", "10.0.0.1"]
    with pytest.raises(WireError, match=r"10\.0\.0\.1: a private network"):
        looked_at(
            Url.parse("https://siem.example/"), Deadline(5), allow_private=False, look_up=lambda *_: both
        )


def test_a_look_up_that_hangs_ends_at_the_deadline_and_a_failed_one_says_so() -> None:
    url = Url.parse("https://siem.example/")

    def hang(*_: object) -> list[str]:
        raise socket.gaierror("no such name")

    with pytest.raises(WireError, match="cannot be resolved"):
        looked_at(url, Deadline(5), allow_private=False, look_up=hang)
    with pytest.raises(WireError, match=r"longer than 0\.001 s|in time"):
        looked_at(url, Deadline(0.001), allow_private=False, look_up=lambda *_: time.sleep(1) or [])


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://siem.example/",
        "https://user@siem.example/",
        "https://user:word@siem.example/",
        "https://siem.example\\@10.0.0.1/",
        "https://siem.example:0/",
        "https://siem.example:99999/",
        "https:///in",
        "https://siem.example/in\r\nx: y",
        "https://siem.example/in#part",
        "http://siem.example/",
        "siem.example",
    ],
)
def test_what_is_no_address_to_send_to_is_refused_where_the_configuration_is_read(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url "):
        WebhookSettings(name="siem", url=url)


def test_names_and_kinds_of_events_are_checked() -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        WebhookSettings(name="../up", url="https://siem.example/")
    with pytest.raises(ValueError, match="'verdict', expected some of verification"):
        WebhookSettings(name="siem", url="https://siem.example/", events=("verdict",))
    assert WebhookSettings(name="my-siem", url="https://siem.example").variable == (
        "CLAIMLEDGER_WEBHOOK_MY_SIEM_SECRET"
    )


def test_an_address_is_read_once_host_port_and_path() -> None:
    assert Url.parse("https://Bücher.example/in?a=b") == Url("https", "xn--bcher-kva.example", 443, "/in?a=b")
    assert Url.parse("http://[::1]:8080").place == "http://[::1]:8080"
