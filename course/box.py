"""The result of a check: a box in a notebook, and plain text in a terminal, a log or a comparison."""

import html
import re
import textwrap

LOOKS = {  # whether the answer is right; the colors can be told from a light and from a dark ground
    True: ("✓", "#0b8a68", "rgba(11, 138, 104, 0.1)"),
    False: ("✗", "#d55e00", "rgba(213, 94, 0, 0.1)"),
    None: ("○", "#808080", "rgba(128, 128, 128, 0.1)"),  # not attempted, or stopped
}
STYLE = "border-left: 5px solid {}; background: {}; padding: 8px 12px; max-width: 48em; overflow-wrap: anywhere"


class Box:
    """What a check says; `display` takes the form that fits the place.

    Args:
        passed: whether the answer is right; None where nothing can be said.
        text: plain; its words may quote a learner's values. `backticks` are set as code, *asterisks* as emphasis.
    """

    def __init__(self, passed: bool | None, text: str):
        self.passed, self.text = passed, text

    def __repr__(self) -> str:
        lines = self.text.splitlines()
        return "\n".join(textwrap.fill(line, 100, break_long_words=False, break_on_hyphens=False) for line in lines)

    def _repr_html_(self) -> str:
        sign, *colors = LOOKS[self.passed]
        words = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(self.text)).replace("\n", "<br>")
        words = re.sub(r"(?<![\w*])\*(\w|\w[^*<>]*\w)\*(?![\w*])", r"<em>\1</em>", words)
        words = re.sub(r"(Exercise [\d.]+|[\w ]*[Pp]atient[ \d]*)(?=: )", rf"<strong>{sign} \g<0></strong>", words)
        return f'<div style="{STYLE.format(*colors)}">{words}</div>'
