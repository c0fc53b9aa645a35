"""What a grading leaves: tables, feedback for each student, a page about the class, and their words side by side."""

import hashlib
import html
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from nbconvert.filters import markdown2html

from course import folder
from course.grade import answers
from course.grade.judge import NOT_FOUND, NOT_TRIED, NOT_YET, RIGHT, UNSURE
from course.overview import subjects
from course.sweep_tables import plain, write_table
from helpers import results

STATES = {  # how each is shown: a sign, and a color that the color-blind can tell from the others
    RIGHT: ("●", "#0072b2"),
    NOT_YET: ("◐", "#e69f00"),
    UNSURE: ("?", "#cc79a7"),
    NOT_TRIED: ("○", "#bbbbbb"),
    NOT_FOUND: ("–", "#777777"),
}
SANDBOXES = {
    "bubblewrap": "Students' code ran in bubblewrap: with no network, none of your files, no other submissions.",
    "docker": "Students' code ran in Docker containers: with no network, none of your files, no other submissions.",
    "podman": "Students' code ran in Podman containers: with no network, none of your files, no other submissions.",
    "none": "Students' code ran WITHOUT a sandbox (--trust): it could read and change whatever you can.",
}
COLUMNS = ["student", "id", "chapter", "exercise", "result", "points", "of", "sentence", "seconds", "note", "sandbox"]
COLUMNS_OF_TOTALS = ["student", "id", "right", "exercises", "points", "of", "note"]
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111; }
h1 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #777 } h3 { margin: 1.5rem 0 0.3rem }
table { border-collapse: collapse }
th, td { padding: 0.2rem 0.6rem; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top }
.grid { font-size: 0.9rem } .grid td { text-align: center } .grid td:last-child { text-align: left }
.said { white-space: pre-wrap; overflow-wrap: anywhere }
.bar { display: flex; height: 1.5rem; margin: 0.3rem 0 } .bar span { padding-left: 0.4rem; overflow: hidden }
.bar .dark { color: #fff } .aside { color: #555 } li { margin: 0.4rem 0 } details { margin: 0.2rem 0 }
pre { overflow-x: auto; background: #f2f2f2; padding: 0.6rem } .anchor-link { display: none }
.sign { font-weight: bold } .warning { border-left: 6px solid #d55e00; padding-left: 0.8rem }
"""


class Row(NamedTuple):
    """One exercise of one student."""

    student: str
    chapter: str
    number: str
    state: str
    words: str
    seconds: float


def write(
    out: Path,
    known: Sequence[tuple[str, dict]],
    names: dict[str, str],
    notes: dict[str, str],
    people: Sequence[tuple[str, str]],
    worth: dict[str, float],
    kind: str,
) -> None:
    """Write everything into the folder `out`.

    Args:
        out: the folder.
        known: student and record of each notebook, see `run.judge_notebook`.
        names: a file name for each student.
        notes: what a student's row should say besides.
        people: name and number of everybody on the roster.
        worth: points of exercises; what isn't there counts 1.
        kind: of the sandbox.
    """
    rows = [
        Row(student, record["chapter"], one["number"], one["state"], one["words"], one["seconds"])
        for student, record in known
        for one in record["verdicts"]
    ]
    faults = {student: record["fault"] for student, record in known if record["fault"]}
    students = sorted({student for student, _ in known}, key=str.casefold)
    numbers = {name.casefold(): number for name, number in people}
    missing = [name for name, _ in people if name.casefold() not in {student.casefold() for student in students}]
    about = {student: " ".join(filter(None, [notes.get(student, ""), faults.get(student, "")])) for student in students}

    def number_of(student: str) -> str:
        return numbers.get(student.casefold(), "")

    table: list[list] = [
        [
            *(row.student, number_of(row.student), row.chapter, row.number, row.state, _points(row, worth)),
            *(worth.get(row.number, 1.0), row.words, row.seconds, about[row.student], kind),
        ]
        for row in rows
    ]
    for student, fault in faults.items():
        table.append([student, number_of(student), "", "", "not readable", 0.0, "", fault, "", about[student], kind])
    write_table(out / "grades.csv", pd.DataFrame(table, columns=COLUMNS))
    totals = [_total(student, [row for row in rows if row.student == student], worth) for student in students]
    totals += [[name, 0, 0, 0.0, 0.0] for name in missing]
    table = [[name, number_of(name), *rest, about.get(name, "nothing was handed in")] for name, *rest in totals]
    write_table(out / "totals.csv", pd.DataFrame(table, columns=COLUMNS_OF_TOTALS))

    words = defaultdict(dict)  # type: ignore[var-annotated]  # by exercise, then by student
    for student, record in known:
        for number, said in record["words"].items():
            words[number][student] = said
    pages = {"summary.html": summary(rows, students, about, missing, kind), "words.html": side_by_side(words)}
    for student in students:
        own = [row for row in rows if row.student == student]
        said = {number: by[student] for number, by in words.items() if student in by}
        pages[f"feedback/{names[student]}.md"] = feedback(student, own, about[student], said, worth)
        pages[f"gradescope/{names[student]}/results.json"] = gradescope(own, faults.get(student, ""), worth)
    _write_pages(out, pages)


def _points(row: Row, worth: dict[str, float]) -> float:
    return worth.get(row.number, 1.0) if row.state == RIGHT else 0.0


def _total(student: str, rows: Sequence[Row], worth: dict[str, float]) -> list:
    right = sum(row.state == RIGHT for row in rows)
    return [
        student,
        right,
        len(rows),
        sum(_points(row, worth) for row in rows),
        sum(worth.get(row.number, 1.0) for row in rows),
    ]


def _write_pages(out: Path, pages: dict[str, str]) -> None:
    """Write pages; one that somebody has changed since it was written is kept under a new name."""
    record = out / "kept" / "written.json"
    try:
        before = results.read_json(record)
    except (OSError, ValueError):
        before = {}
    for name, text in pages.items():
        path, digest = out / name, hashlib.sha256(text.encode()).hexdigest()
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() not in (before.get(name), digest):
            path.rename(folder.free_name(path))
        results.write_text(path, text)
        before[name] = digest
    results.write_json(record, dict(sorted(before.items())))


def gradescope(rows: Sequence[Row], fault: str, worth: dict[str, float]) -> str:
    """Return one student's results as Gradescope reads them."""
    tests = [
        {
            "name": f"{row.number} {subjects()[row.number]}",
            "score": _points(row, worth),
            "max_score": worth.get(row.number, 1.0),
            "status": "passed" if row.state == RIGHT else "failed",
            "output": row.words,
            "output_format": "text",
        }
        for row in rows
    ]
    score = sum(_points(row, worth) for row in rows)
    return json.dumps({"score": score, "output": fault, "output_format": "text", "tests": tests}, indent=1) + "\n"


def feedback(student: str, rows: Sequence[Row], about: str, said: dict[str, str], worth: dict[str, float]) -> str:
    """Return what a student gets back, in Markdown."""
    _, right, count, points, of = _total(student, rows, worth)
    lines = [f"# {plain(student)}", "", f"{right} of {count} exercises right: {points:g} of {of:g} points."]
    if about:
        lines += ["", _markdown(about)]
    for row in rows:
        sign = STATES[row.state][0]
        text = row.words[:1].upper() + row.words[1:]
        lines += ["", f"## {sign} {row.number} · {subjects()[row.number]}", "", _markdown(text)]
        if row.number in said:
            lines += ["", "You wrote:", "", *(f"> {plain(line)}" for line in said[row.number].splitlines())]
    return "\n".join(lines) + "\n"


def _markdown(text: str) -> str:
    """Return a sentence as Markdown: its code stays code, and nothing else in it is more than text."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick without another
        return plain(text)
    return "`".join(" ".join(part.split()) if place % 2 else plain(part) for place, part in enumerate(parts))


def mistake_in(words: str) -> str:
    """Return the part of a sentence that names the mistake, without the numbers of this student's inputs."""
    named = re.split(r" and got (?:[^.]|\.(?=\S))*\.\s", words.removeprefix("not yet. "))[-1]
    return re.sub(r"[-−]?\d[\d.,]*", "…", named)


def summary(
    rows: Sequence[Row], students: Sequence[str], about: dict[str, str], missing: Sequence[str], kind: str
) -> str:
    """Return the page about the class: what to talk about first, each exercise with its mistakes, everybody."""
    numbers = sorted({row.number for row in rows}, key=lambda number: [*map(int, number.split("."))])
    common: dict[str, dict[str, list[Row]]] = {number: defaultdict(list) for number in numbers}
    for row in rows:
        if row.state == NOT_YET:
            common[row.number][mistake_in(row.words)].append(row)
    counted = [(len(same), number, same) for number in numbers for same in common[number].values()]
    first = sorted((one for one in counted if one[0] > 1), key=lambda one: -one[0])[:3]
    handed = Counter(row.number for row in rows)

    parts = [f"<p>{len(students)} students, {len(rows)} answers. <span class='aside'>{SANDBOXES[kind]}</span></p>"]
    if kind == "none":
        parts[0] = parts[0].replace("<p>", "<p class='warning'>")
    if first:
        items = [
            f"<li><b>{count} of {handed[of]}</b>, {of} · {_text(subjects()[of])}<br>{_sentence(same[0].words)}</li>"
            for count, of, same in first
        ]
        parts += ["<h2>For the next lesson</h2>", "<ol>", *items, "</ol>"]
    parts += ["<h2>Exercise by exercise</h2>", _legend()]
    for number in numbers:
        states = Counter(row.state for row in rows if row.number == number)
        parts += [f"<h3>{number} · {_text(subjects()[number])}</h3>", _bar(states), _mistakes(common[number])]
    parts += ["<h2>Everybody</h2>", _grid(rows, students, numbers, about)]
    if missing:
        parts += ["<h2>Nothing handed in</h2>", f"<p>{', '.join(map(_name, missing))}</p>"]
    return _page("The class at a glance", parts)


def _legend() -> str:
    signs = [
        f"<span class='sign' style='color:{color}'>{sign}</span> {state}" for state, (sign, color) in STATES.items()
    ]
    return f"<p>{' &nbsp; '.join(signs)}</p>"


def _bar(states: Counter) -> str:
    pieces, said = [], ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    for state, (_, color) in STATES.items():
        if states[state]:
            share, dark = 100 * states[state] / states.total(), " class='dark'" if state in (RIGHT, NOT_FOUND) else ""
            pieces.append(f"<span{dark} style='background:{color};width:{share:.2f}%'>{states[state]}</span>")
    return f"<div class='bar' role='img' aria-label='{said}' title='{said}'>{''.join(pieces)}</div>"


def _mistakes(common: dict[str, list[Row]]) -> str:
    items = []
    for same in sorted(common.values(), key=len, reverse=True):
        who = ", ".join(_name(row.student) for row in same)
        aside = f"<details><summary>who</summary>{who}</details>"
        items.append(f"<li><b>{len(same)} ×</b> {_sentence(same[0].words)}{aside}</li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _grid(rows: Sequence[Row], students: Sequence[str], numbers: Sequence[str], about: dict[str, str]) -> str:
    of = {(row.student, row.number): row.state for row in rows}
    heads = "".join(f"<th scope='col'>{number}</th>" for number in numbers)
    lines = []
    for student in students:
        cells = []
        for number in numbers:
            state = of.get((student, number))
            sign, color = STATES.get(state or "", ("", "#000"))
            cells.append(f"<td class='sign' style='color:{color}' title='{state or 'not handed in'}'>{sign}</td>")
        right = sum(of.get((student, number)) == RIGHT for number in numbers)
        own = f"{''.join(cells)}<td>{right}</td><td>{_text(about[student])}</td>"
        lines.append(f"<tr><th scope='row'>{_name(student)}</th>{own}</tr>")
    head = f"<thead><tr><th>student</th>{heads}<th>right</th><th>note</th></tr></thead>"
    return f"<table class='grid'>{head}<tbody>{''.join(lines)}</tbody></table>"


def side_by_side(words: dict[str, dict[str, str]]) -> str:
    """Return the page with what students wrote in words: each question, what to look for, and all answers to it."""
    parts = ["<p>What to look for comes from the solutions and from the teacher's notes.</p>"]
    for chapter in answers.pristine().values():
        for number, (question, solution) in chapter.words.items():
            if number not in words:
                continue
            solution = re.sub(r"</?details>|<summary>.*?</summary>|```.*?```", "", solution, flags=re.DOTALL)
            notes = [note for note in chapter.notes if number in note and not note.startswith("|")]
            parts += [
                f"<h2>{number} · {_text(subjects()[number])}</h2>",
                markdown2html(question),
                "<h3>What to look for</h3>",
            ]
            parts += [markdown2html("\n\n".join([solution.strip(), *notes]))]
            lines = [
                f"<tr><th scope='row'>{_name(student)}</th><td class='said'>{_text(said)}</td></tr>"
                for student, said in sorted(words[number].items())
            ]
            parts += ["<h3>What they wrote</h3>", f"<table><tbody>{''.join(lines)}</tbody></table>"]
    if len(parts) == 1:
        parts = ["<p>Nobody has written anything in words.</p>"]
    return _page("In their own words", parts)


def _page(title: str, parts: Sequence[str]) -> str:
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    head = f"<meta charset='utf-8'>{policy}<title>{title}</title><style>{STYLE}</style>"
    body = "\n".join([f"<h1>{title}</h1>", *parts])
    return f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body>\n{body}\n</body></html>\n"


def _text(text: str) -> str:
    return html.escape("".join(c if c.isprintable() or c == "\n" else "�" for c in text))


def _name(name: str) -> str:
    return f"<bdi>{_text(name)}</bdi>"


def _sentence(words: str) -> str:
    return _text(words.removeprefix("not yet. "))
