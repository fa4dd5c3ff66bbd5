"""Draw the README's picture of the demo page, from the built-in data.

    make demo && .venv/bin/python tests/page_picture.py artifacts/bundle docs/page.png

Needs Chromium, as the browser tests do, and is best looked at afterwards.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from browser_visit import CHROMIUM_FLAGS, find_chromium, start_server, start_visit
from playwright.sync_api import sync_playwright

SIZE = {"width": 1200, "height": 1132}
STARS = (5, 3, 2, 4)
"""What is given to the first movies of the list."""


def main(argv: Sequence[str]) -> int:
    """Write the picture.

    Args:
        argv: the bundle's folder and the picture's file.
    """
    bundle, target = map(Path, argv)
    server = start_server(bundle)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
            visit = start_visit(browser, server, viewport=SIZE, color_scheme="light", reduced_motion="reduce")
            page = visit.open()
            visit.rate(*STARS)
            # of an era that was rated, so that its mean is in the picture
            page.locator("#ranked .row").filter(has_text=re.compile(r"19[78]\d")).first.click()
            page.locator(".why .chip").first.wait_for()
            page.evaluate("document.activeElement.blur()")
            page.screenshot(path=target)
            browser.close()
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
