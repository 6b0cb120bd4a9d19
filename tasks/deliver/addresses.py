"""Addresses as they are written, and which of them a delivery may connect to.

`ipaddress` alone does not do: `is_global` calls 64:ff9b::7f00:1, which a gateway turns into 127.0.0.1,
global on Python 3.11. So these are the networks of the special-purpose registries of IANA, by name.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PRIVATE = {
    "this machine": ("127.0.0.0/8", "::1/128"),
    "a private network": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
}
"""What `allow_private` opens."""
_NEVER = {
    "link-local, where clouds keep their metadata": ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128"),
    "not a server's address": (
        "0.0.0.0/8",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    ),
}
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_URL = re.compile(
    r"(?P<scheme>https?|tls|tcp)://(?P<host>\[[0-9a-fA-F:.]+\]|[^\x00-\x20\x7f/?#@:\\\[\]]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][\x21\x22\x24-\x7e]*)?"
)
"""Read in one place, so that what is checked and what is connected to cannot be two readings of it."""
_PORTS = {"https": 443, "http": 80, "tls": 6514, "tcp": 601}
PLAIN = ("http", "tcp")
"""Schemes whose connections are not encrypted."""
_HOST = re.compile("[a-z0-9._:-]+")
_Networks = list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]]


@dataclass(frozen=True)
class Url:
    """An address in its parts."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query."""

    @classmethod
    def parse(cls, text: str) -> Url:
        """Reads an address.

        Raises:
            ValueError: another scheme, no host, or characters that have no place in an address.
        """
        match = _URL.fullmatch(text)
        if match is None:
            raise ValueError("url is not an address to send to, expected https://HOST/PATH")
        port = int(match["port"] or _PORTS[match["scheme"]])
        if not 0 < port < 65_536:
            raise ValueError(f"url has the port {port}, expected 1 to 65535")
        try:
            host = match["host"].strip("[]").encode("idna").decode("ascii").lower()
        except UnicodeError:
            host = ""
        if not _HOST.fullmatch(host):
            raise ValueError("url has an invalid host name")
        target = match["target"] or "/"
        return cls(match["scheme"], host, port, target if target[0] == "/" else f"/{target}")

    @property
    def place(self) -> str:
        """Scheme, host and port: what sentences name; paths may hold secrets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def _networks(table: dict[str, tuple[str, ...]]) -> _Networks:
    return [(why, ipaddress.ip_network(each)) for why, networks in table.items() for each in networks]


_PRIVATE_NETWORKS, _NEVER_NETWORKS = _networks(_PRIVATE), _networks(_NEVER)


def is_private(text: str) -> bool:
    """Whether an address is of this machine or a private network."""
    return _within(_plain(text), _PRIVATE_NETWORKS) is not None


def refusal(text: str, *, allow_private: bool) -> str | None:
    """Why an IP address is not connected to, in words; None for one that may be."""
    address = _plain(text)
    never = _within(address, _NEVER_NETWORKS)
    if never:
        return never
    private = _within(address, _PRIVATE_NETWORKS)
    if private:
        return None if allow_private else f"{private}; set allow_private if that is intended"
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_V6:
        return "not a server's address"
    return None


def _plain(text: str) -> Address:
    """The address, an IPv4 address in IPv6's clothes unwrapped."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _within(address: Address, networks: _Networks) -> str | None:
    return next((why for why, network in networks if address in network), None)
