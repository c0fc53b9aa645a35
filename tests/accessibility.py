"""Opens a page of HTML in a real browser, and runs axe-core on it."""

import html
import json
import re
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from course.handouts import printing


def opened(page: str, browser: str) -> str:
    """Return a page as it is once it has been opened: what its scripts wrote into it included."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copied = Path(folder) / "page.html"
        copied.write_text(page, "utf-8")
        words = [*printing.command(browser, folder + "/profile"), "--virtual-time-budget=60000", "--dump-dom"]
        done = subprocess.run([*words, copied.as_uri()], capture_output=True, encoding="utf-8", timeout=180)
    return done.stdout


def without_policy(page: str) -> str:
    """Return the same page with a Content-Security-Policy that forbids nothing."""
    return re.sub(r'<meta [^>]*"Content-Security-Policy"[^>]*>', '<meta name="policy" content="none">', page)


def violations(page: str, browser: str) -> list[dict]:
    """Return what axe-core finds on a page: `id`, `impact`, `help` and the elements concerned.

    The script runs in a copy of the page and writes its findings into an attribute.
    """
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    look = "axe.run({resultTypes: ['violations']}).then(found => document.body.setAttribute('data-axe', "
    look += "JSON.stringify(found.violations.map(v => ("
    look += "{id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map(n => n.html.slice(0, 200))})))))"
    scripts = f"<script>{axe}</script><script>{look}</script></body>"
    found = re.search(
        r'<body[^>]* data-axe="([^"]*)"', opened(without_policy(page).replace("</body>", scripts), browser)
    )
    assert found, "axe-core did not finish"
    return json.loads(html.unescape(found[1]))
