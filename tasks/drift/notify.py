"""Door to apprise: one message to the places that the environment names.

URLs hold secrets, so they come from an environment variable only, and no failure repeats them.
"""

from __future__ import annotations

import os

from tasks.errors import ConfigError


def send(title: str, body: str, variable: str) -> list[str]:
    """Sends a message to every URL of the environment variable, blank-separated; warnings in words.

    Without the variable nothing is sent. A place that does not answer is a warning: the alarm is in the
    report all the same.

    Raises:
        ConfigError: the variable holds something that is not an apprise URL; the message gives its place, not
            its text.
    """
    urls = os.environ.get(variable, "").split()
    if not urls:
        return []
    import apprise

    warnings = []
    for number, url in enumerate(urls, start=1):
        place = apprise.Apprise()
        if not place.add(url):
            raise ConfigError(
                f"{variable}: apprise does not recognise URL {number} of {len(urls)}; "
                "see the list of services in apprise's documentation"
            )
        if not place.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT):
            scheme = url.partition("://")[0]
            warnings.append(f"the alarm could not be sent to address {number} of {variable} ({scheme})")
    return warnings
