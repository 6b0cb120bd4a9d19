"""Zones and formats of a source's times, as the configuration names them."""

from __future__ import annotations

import pytest

from tasks.errors import ConfigError
from tasks.settings import Settings, load
from tasks.sources import clocks
from tasks.sources.parameters import FilesSettings


def test_any_zone_of_the_database_may_be_named():
    for name in ("UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "Etc/GMT+8"):
        assert clocks.zone(name).key == name
        FilesSettings(name="a", path="b", time_zone=name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("CEST", "expected a name such as Europe/Berlin"),
        ("", "expected a name such as Europe/Berlin"),
        ("../../etc/passwd", "expected a name such as Europe/Berlin"),
        ("/etc/localtime", "expected a name such as Europe/Berlin"),
        ("\0", "expected a name such as Europe/Berlin"),
        ("x" * 100_000, "expected a name such as Europe/Berlin"),
    ],
)
def test_a_zone_that_does_not_exist_is_refused_with_the_nearest(name, says):
    with pytest.raises(ValueError, match="is not a time zone of the IANA database") as caught:
        clocks.zone(name)
    assert str(caught.value).endswith(says)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("DD.MM.YYYY", "is neither iso, epoch_s, epoch_ms, epoch_us, epoch_ns nor a format such as"),
        ("%H:%M", "has no day"),
        ("%d.%m %H:%M", "has no day"),
        ("%Y-%Q", "%Q is not a supported part of a time"),
        ("%x %X", "%x is not a supported part of a time"),
        ("%Y-%m-%", "% is not a supported part of a time"),
        ("%Z %Y-%m-%d", "%Z at the end alone"),
        ("%Y-%m-%d %d", "each part may occur once"),
    ],
)
def test_a_format_that_names_no_day_or_is_none_is_refused(form, says):
    with pytest.raises(ValueError, match="time_format") as caught:
        clocks.check_format(form)
    assert says in str(caught.value)


@pytest.mark.parametrize("form", ["iso", "epoch_ms", "%d.%m.%Y %H:%M", "%Y%j", "%d %B %y %I:%M %p %z"])
def test_a_format_that_names_a_day_is_taken(form):
    clocks.check_format(form)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            'time_zone = "Europe/Berln"',
            "time_zone 'Europe/Berln' is not a time zone of the IANA database; did",
        ),
        ('time_format = "DD.MM.YYYY"', "time_format 'DD.MM.YYYY' is neither iso"),
    ],
)
def test_the_configuration_refuses_them_in_one_sentence(tmp_path, line, says):
    file = tmp_path / "claimledger.toml"
    file.write_text(f'[[sources]]\nname = "a"\npath = "b"\n{line}\n', "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_evidence_may_be_one_path_or_several():
    source = {"name": "a", "path": "b"}
    one = Settings(sources=({**source, "fields": {"contexts": "docs"}},))
    several = Settings(sources=({**source, "fields": {"contexts": ["Quelle 1", "Quelle 2"]}},))
    assert one.sources[0].fields.contexts == "docs"
    assert several.sources[0].fields.contexts == ("Quelle 1", "Quelle 2")
