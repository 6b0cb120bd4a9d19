"""The evidence pack's two pages in Chromium, from the disk: axe is content, nothing is cut or loaded."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.pack.test_pack import OWNERS, made, settings_of
from tests.support import pack_lake
from tests.support.browsers import BROWSER_MS, NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pack")
    lake, ledger = pack_lake.build(root)
    made(
        lake,
        settings_of(ledger, owners=OWNERS),
        root / "pack",
        date(2026, 11, 1),
        date(2026, 11, 6),
        has_summary=True,
    )
    return root / "pack"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["index.html", "summary.html"])
def test_a_page_of_the_pack_is_readable_by_everybody(
    browser: Any, folder: Path, name: str, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(BROWSER_MS)
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto((folder / name).as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = Axe().run(tab).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert asked == [(folder / name).as_uri()]
    context.close()
