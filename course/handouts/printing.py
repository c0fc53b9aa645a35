"""A page of HTML printed to PDF by the Chromium or Chrome that is on the machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from course import CommandError
from helpers.results import atomic_save

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (  # where it lies on computers whose search path doesn't name it
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)
SECONDS = 180  # for one page; a slow computer prints forty sheets in less
LINKS_BESIDE = re.compile(r'<a href="(?!https?:|#)[^"]*">')  # to other pages; a PDF would name a folder that is gone
# What Chromium writes differently each time: dates, and the numbers of a page's elements (it may leave some out).
DATES = re.compile(rb"/(CreationDate|ModDate) \(D:\d{14}")
ELEMENTS = re.compile(rb"\(node(\d{8})\)")


class PrintError(CommandError):
    """A page could not be printed; the message is one line."""


def find_browser() -> str | None:
    """Return the command of a Chromium or Chrome, or None where there is none."""
    on_the_path = (shutil.which(name) for name in NAMES)
    installed = (place for place in PLACES if Path(place).is_file())
    return next((found for found in (*on_the_path, *installed) if found), None)


def command(browser: str, profile: str) -> list[str]:
    """Return the words that start a browser without a window, with a profile of its own and no network."""
    words = [browser, "--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    words += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"]
    if sys.platform == "linux" and os.geteuid() == 0:
        words.append("--no-sandbox")  # as root, in a container, it refuses to start otherwise; the pages are our own
    return words


def print_to_pdf(html: str, target: Path, browser: str, paper: str = "A4") -> None:
    """Write a page as PDF, whole or not at all; the same bytes for the same page.

    Args:
        html: a whole page that needs nothing from elsewhere.
        target: the file to write.
        browser: from `find_browser`.
        paper: `A4` or `Letter`.

    Raises:
        PrintError: the browser failed, or took too long.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page, made = Path(folder) / "page.html", Path(folder) / "page.pdf"
        html = LINKS_BESIDE.sub("<a>", html).replace("</style>", f"@page {{ size: {paper}; }}\n</style>", 1)
        page.write_text(html, encoding="utf-8")
        words = [
            *command(browser, folder + "/profile"),
            "--no-pdf-header-footer",
            f"--print-to-pdf={made}",
            page.as_uri(),
        ]
        try:
            status = _run(words)
        except subprocess.TimeoutExpired:
            raise PrintError(f"{target.name}: {browser} took longer than {SECONDS} s") from None
        except OSError as error:
            raise PrintError(f"{target.name}: {browser} does not start ({error.strerror})") from None
        if status or not made.is_file():
            raise PrintError(f"{target.name}: {browser} printed nothing (exit status {status})")
        content = made.read_bytes()
        if not content.rstrip().endswith(b"%%EOF"):
            raise PrintError(f"{target.name}: {browser} printed only a part of it; is the disk full?")
        atomic_save(_always_alike(content), target)


def _always_alike(pdf: bytes) -> bytes:
    """Return a print without what differs from one print of a page to the next."""
    pdf = DATES.sub(rb"/\1 (D:20000101000000", pdf)
    places = {number: place for place, number in enumerate(sorted(set(ELEMENTS.findall(pdf))))}
    return ELEMENTS.sub(lambda found: b"(node%08d)" % places[found[1]], pdf)


def _run(words: list[str]) -> int:
    """Run a browser and return its exit status; however this ends, nothing that the browser started is left running."""
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(timeout=SECONDS)
    finally:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):  # all have ended, as they should
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()  # on Windows the others end with the first
        process.wait()
