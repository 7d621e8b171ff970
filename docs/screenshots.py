"""Pictures of the pages as a browser shows them, to look at: wide, on a phone, in dark mode.

    python -m sphinx -b html docs build/docs
    python docs/screenshots.py build/docs build/screenshots [PAGE ...]

needs Chromium or Chrome (`--browser`, or what is found on the path), and no network.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

PAGES = (
    "index", "tutorial", "frames", "own-code", "claims", "gallery", "gallery/criteo", "api",
    "api/tables", "performance", "optimizers", "many-machines", "streams", "faq",
)  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
WIDTHS = (1280, 390)
HEIGHT = 2400
BORDER = 100  # of a window, more than headless Chromium takes of its height

# A page in a frame of the width: a browser's own window is never narrower than some 500 pixels.
FRAME = """<!doctype html><body style="margin: 0; background: grey">
<iframe src="{source}" style="border: 0; width: {width}px; height: {height}px"></iframe>"""


def shoot(browser: str, page: Path, width: int, dark: bool, out: Path) -> None:
    """Write a PNG of a page."""
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder, "frame.html")
        frame.write_text(FRAME.format(source=page.resolve().as_uri(), width=width, height=HEIGHT))
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={folder}/profile", f"--window-size={width},{HEIGHT + BORDER}",
            "--allow-file-access-from-files", "--virtual-time-budget=5000",
            f"--screenshot={out.resolve()}",
        ]  # fmt: skip
        if dark:
            command.append("--blink-settings=preferredColorScheme=0")
        subprocess.run([*command, frame.as_uri()], check=True, capture_output=True, timeout=120)


def main(arguments: list[str] | None = None) -> None:
    """Write PAGE-WIDTH.png and PAGE-WIDTH-dark.png of each page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("html", type=Path, help="the folder that Sphinx wrote")
    parser.add_argument("out", type=Path, help="the folder of the pictures")
    parser.add_argument("pages", nargs="*", default=PAGES, metavar="PAGE")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    parser.add_argument("--browser", default=found, help=f"default: {found}")
    options = parser.parse_args(arguments)
    if options.browser is None:
        parser.error(f"none of these is installed: {', '.join(BROWSERS)}; name one by --browser")
    options.out.mkdir(parents=True, exist_ok=True)
    for page in options.pages:
        for width in WIDTHS:
            for dark in (False, True):
                name = f"{page.replace('/', '-')}-{width}{'-dark' if dark else ''}.png"
                shoot(
                    options.browser, options.html / f"{page}.html", width, dark, options.out / name
                )
                print(options.out / name, flush=True)


if __name__ == "__main__":
    main()
