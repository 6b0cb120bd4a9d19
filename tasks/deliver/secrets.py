"""Secrets of endpoints: from the environment, named after the endpoint, and nowhere else."""

from __future__ import annotations

import os

from tasks.deliver import signing
from tasks.deliver.formats import NEEDS_SECRET, SIGNS
from tasks.deliver.parameters import WebhookSettings
from tasks.errors import ConfigError


def secrets(settings: WebhookSettings) -> tuple[str, ...]:
    """The endpoint's secret and, during a rotation, the one before; none where none is set.

    Raises:
        ConfigError: the kind needs one, or it is not a key of that kind; never quoted.
    """
    names = (settings.variable, f"{settings.variable}_OLD")
    given = {name: os.environ.get(name, "").strip() for name in names}
    if settings.kind in NEEDS_SECRET and not given[settings.variable]:
        raise ConfigError(f"{settings.variable} is not set; the endpoint {settings.name} needs its secret")
    for name, secret in given.items():
        if secret and settings.kind in SIGNS:
            try:
                signing.parse_secret(secret)
            except ValueError as error:
                raise ConfigError(f"{name} {error}") from None
        if secret and not (secret.isascii() and secret.isprintable()):
            raise ConfigError(f"{name} holds characters that an HTTP header cannot hold")
    return tuple(secret for secret in given.values() if secret)
