"""The tree of errors is drawn where it is declared, and the drawing is true."""

from __future__ import annotations

import re

from tasks import errors
from tasks.errors import ClaimledgerError


def test_the_drawing_names_every_error_with_its_exit_status() -> None:
    drawn = dict(re.findall(r"(\w+) +(\d)  ", str(errors.__doc__)))
    declared = {
        name: str(kind.exit_code)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, ClaimledgerError)
    }
    assert drawn == declared
