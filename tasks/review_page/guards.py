"""Who may ask for what: addresses, origins, and forms that only our own pages can have made.

Another site's page may send a browser here, by a form of its own (cross-site request forgery) or by a name
that it lets point to this machine (DNS rebinding). So the Host has to be the address that was printed, an
Origin the same, and every form carries a number and its authentication code under the reviewer's token.
"""

from __future__ import annotations

import hmac
from hashlib import sha256


def hosts(port: int) -> frozenset[str]:
    """What a browser calls this server."""
    return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


def is_own_host(host: str | None, port: int) -> bool:
    """The request was meant for this server under a name of this machine."""
    return host is not None and host.lower() in hosts(port)


def is_own_origin(origin: str | None, host: str) -> bool:
    """A form comes from our own page. What is not a browser sends no origin, and needs the form's code."""
    return origin is None or origin.lower() == f"http://{host.lower()}"


def form_code(key: bytes, token: str, form: str) -> str:
    """What a form must bring to be taken for ours: 64 hexadecimal digits."""
    return hmac.new(key, f"{len(token)}:{token}{form}".encode(), sha256).hexdigest()


def is_form_code(key: bytes, token: str, form: str, code: str) -> bool:
    """The code is the one of this form; compared in constant time."""
    return hmac.compare_digest(form_code(key, token, form).encode(), code.encode("utf-8", "replace"))


HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    # `no-referrer` would have browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer."""
