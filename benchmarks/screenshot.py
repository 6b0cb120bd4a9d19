"""Takes a picture of a report page: `python -m benchmarks.screenshot LAKE_REPORT PNG [--dark] [--phone]`.

LAKE_REPORT is a report's `index.html`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--phone", action="store_true")
    parser.add_argument("--full", action="store_true", help="the whole page instead of the first screen")
    parser.add_argument("--at", default="", help="an anchor to scroll to, for example worst")
    arguments = parser.parse_args()

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("no Chromium found; install chromium", file=sys.stderr)
        return 2

    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        size = {"width": 375, "height": 812} if arguments.phone else {"width": 1280, "height": 1000}
        tab = browser.new_page(viewport=size, color_scheme="dark" if arguments.dark else "light")
        tab.goto(arguments.page.resolve().as_uri() + (f"#{arguments.at}" if arguments.at else ""))
        tab.wait_for_timeout(800 if arguments.at else 100)
        tab.screenshot(path=arguments.picture, full_page=arguments.full)
        browser.close()
    print(f"{arguments.picture}: {arguments.picture.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
