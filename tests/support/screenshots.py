"""Pictures of every page for docs/screenshots, taken only on request: WORKBENCH_SCREENSHOTS=1."""

from __future__ import annotations

import io
import os

from PIL import Image
from playwright.sync_api import Page

from tests.support.shared import ROOT
from tests.support.visitor import Theme, Visitor

FOLDER = ROOT / "docs" / "screenshots"
WANTED = os.environ.get("WORKBENCH_SCREENSHOTS") == "1"
LOOKS: tuple[tuple[Theme, int], ...] = (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390))
COLOURS = 256
"""Pages are flat: a palette makes a picture a third as large and looks the same."""


def picture(visitor: Visitor, path: str, name: str) -> None:
    """The page in light and dark, wide and on a phone; nothing unless asked for."""
    if not WANTED:
        return
    for theme, width in LOOKS:
        page = visitor.page(path, width=width, theme=theme)
        settle(page)
        save(page, f"{name}-{theme}-{width}")
        page.context.close()


def settle(page: Page) -> None:
    """Fonts loaded, charts drawn, pictures there."""
    page.wait_for_load_state("load")
    for chart in page.locator("[data-figure]").all():
        chart.locator("svg.main-svg").first.wait_for()
    for image in page.locator("img:visible").all():
        image.scroll_into_view_if_needed()
        image.evaluate("image => image.decode()")
    page.evaluate("scrollTo(0, 0)")


def save(page: Page, name: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(page.screenshot(full_page=True, animations="disabled"))) as image:
        image.convert("RGB").quantize(COLOURS, kmeans=2).save(FOLDER / f"{name}.png", optimize=True)
