"""Takes pictures of an HTML report: python reports/screenshots.py RUN.jsonl OUT_FOLDER.

Writes matrix.png (the first screen), failure.png (what is wrong, where the run has that), pictures.png and
matrix-dark.png. It needs Chromium, and the extras `dev` and `report`.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from gradassay._record import read
from gradassay.views._summary import Summary
from gradassay.views.html import Run, html

LARGEST = 200_000  # bytes of one picture
SIZE = {"width": 1280, "height": 800}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
TALLEST = 1000  # pixels of a section


def main(run: Path, folder: Path) -> None:
    named = (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name)))
    chromium = os.environ.get("CHROMIUM") or next(named, None)
    if chromium is None:
        sys.exit("there is no Chromium: apt-get install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        file = Path(scratch) / "report.html"
        file.write_text(html([Run(run.name, Summary.of(read(run)))]), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for scheme, suffix in (("light", ""), ("dark", "-dark")):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-ready]", state="attached")
            save(page.screenshot(), folder / f"matrix{suffix}.png")
            if not suffix:
                section(page, "article", folder / "failure.png")
                section(page, ".pictures", folder / "pictures.png")
            page.close()
        browser.close()


def section(page: Page, selector: str, path: Path) -> None:
    """Take a picture of the first element that matches, from its top."""
    found = page.locator(selector)
    if not found.count():
        print(f"{path.name}: the run has none")
        return
    found.first.scroll_into_view_if_needed()
    box = found.first.bounding_box()
    assert box is not None  # it is there, and it is shown
    top = box["y"] + float(page.evaluate("scrollY"))
    clip = {"x": 0, "y": top - 12, "width": SIZE["width"], "height": min(box["height"] + 24, TALLEST)}
    save(page.screenshot(full_page=True, clip=clip), path)  # type: ignore[arg-type]


def save(picture: bytes, path: Path) -> None:
    """Write a PNG with as many colours as fit into `LARGEST`."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in (256, 128, 64, 32):
        buffer = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() < LARGEST:
            break
    path.write_bytes(buffer.getvalue())
    print(f"{path} ({buffer.tell() / 1000:.0f} kB, {image.width} x {image.height})")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
