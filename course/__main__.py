"""The one command line: `python -m course …`, or `mnist-course …` where the course is installed.

Each command imports what it alone needs: PyTorch and the rest take five seconds, and a list of parameters or a mistyped
option needs none of them.
"""

import argparse
import io
import os
import re
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

try:
    from course import CommandError, folder
    from helpers import settings
except ModuleNotFoundError as error:  # as in an environment into which nothing was installed, or the wrong one
    sys.exit(f"python -m course: {error.name} is not installed; run: python -m pip install -r requirements.txt")


class OneLineParser(argparse.ArgumentParser):
    """Reports a wrong call in one line, without the usage in front; reads -1e-3 as a number, not as an option."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._negative_number_matcher = re.compile(r"-(\.?\d|inf|nan)")  # what Python 3.14 has, and -inf

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; the function of the chosen command is in `options.func`."""
    parser = OneLineParser(prog="python -m course", description="Run, teach and maintain the course.")
    parser.add_argument("--version", action="version", version=f"mnist-course {version('mnist-course')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, func: Any, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help)
        command.set_defaults(func=func)
        return command

    def add_chapters(command: argparse.ArgumentParser, nargs: str = "*") -> None:
        command.add_argument("chapters", nargs=nargs, metavar="CHAPTER", help="03 or 03_training; default: all")

    def add_parameters(command: argparse.ArgumentParser) -> None:
        pair = {"nargs": 2, "action": "append", "default": [], "metavar": ("NAME", "VALUE")}
        command.add_argument("-p", "--parameter", help="-p epochs 3; may be given several times", **pair)  # type: ignore[arg-type]

    command = add("run", run, "execute chapters and collect their results")
    add_chapters(command)
    add_parameters(command)
    command.add_argument("--out", type=folder.given, metavar="DIR", help="default: runs/run in the course")
    command.add_argument(
        "--of-sweep", default="", metavar="CODE", help=argparse.SUPPRESS
    )  # what `sweep` says to its runs
    command.add_argument("--list", action="store_true", help="run nothing; list every parameter of the chapters")

    command = add("sweep", sweep, "run a grid of settings with several seeds, and sum up")
    add_chapters(command, nargs="+")
    add_parameters(command)
    command.add_argument("--grid", action="append", default=[], metavar="NAME=V1,V2,…", help="every combination runs")
    command.add_argument("--seeds", type=int, metavar="N", help="run each combination with seeds 0 to N-1")
    command.add_argument("--workers", type=int, metavar="W", help="runs at a time; default: cores, up to 4; SLURM: 100")
    command.add_argument("--scheduler", metavar="ADDRESS", help="run on a Dask cluster: tcp://HOST:PORT")
    command.add_argument("--slurm", nargs="*", metavar="NAME=VALUE", help="run as SLURM's jobs, with sbatch's options")
    command.add_argument("--patience", type=float, metavar="SECONDS", help="give up after so long without a worker")
    command.add_argument("--out", type=folder.given, required=True, metavar="DIR", help="new, or a sweep's to resume")

    command = add("data", data, "fetch and verify a data set ahead of a lesson")
    command.add_argument("--dataset", default="mnist", metavar="NAME", help="mnist (default), fashion, kmnist, qmnist")
    command.add_argument("--data-dir", type=folder.given, metavar="DIR", help="default: data in the course")
    command.add_argument("--mirror", metavar="URL", help="a folder on the web that holds the archives")

    command = add("progress", progress, "show which exercises are solved on this computer")
    command.add_argument("--export", type=folder.given, metavar="FILE", help="write it as JSON, for a teacher")
    command.add_argument("--reset", action="store_true", help="set it aside, for the next learner at this computer")

    command = add("handouts", handouts, "build students' and instructors' copies of the chapters")
    command.add_argument("--out", type=folder.given, metavar="DIR", help="default: handouts in the course")
    command.add_argument("--chapters", nargs="+", default=[], metavar="CHAPTER", help="default: all")
    command.add_argument("--source", type=folder.given, metavar="DIR", help="chapters that `run` left in DIR")
    command.add_argument("--pdf", action="store_true", help="print them as well, with Chromium or Chrome")
    command.add_argument("--worksheet", action="store_true", help="add four or five pages per chapter to write on")
    command.add_argument("--slides", action="store_true", help="add slides, the instructor's with notes")
    command.add_argument("--paper", choices=("A4", "Letter"), default="A4", help="paper of the PDFs; default: A4")

    command = add("site", site, "build the course as a site of static pages")
    command.add_argument("--out", type=folder.given, metavar="DIR", help="default: runs/site in the course")
    command.add_argument("--pdf", action="store_true", help="with PDFs to download, printed with Chromium or Chrome")
    command.add_argument("--paper", choices=("A4", "Letter"), default="A4", help="paper of the PDFs; default: A4")

    command = add("grade", grade, "grade a folder of submissions, in a sandbox")
    command.add_argument("folder", type=folder.given, metavar="FOLDER", help="as a learning platform leaves it")
    command.add_argument("--chapters", nargs="+", default=[], metavar="CHAPTER", help="default: all that are in it")
    command.add_argument("--out", type=folder.given, metavar="DIR", help="default: runs/grades in the course")
    command.add_argument("--workers", type=int, metavar="W", help="notebooks at a time; default: cores, up to 4")
    command.add_argument("--scheduler", metavar="ADDRESS", help="grade on a Dask cluster: tcp://HOST:PORT")
    command.add_argument("--roster", type=folder.given, metavar="FILE", help="CSV with a column name, and maybe id")
    command.add_argument("--points", type=folder.given, metavar="FILE", help="CSV with columns exercise and points")
    kinds = command.add_mutually_exclusive_group()
    kinds.add_argument("--sandbox", choices=("bubblewrap", "docker", "podman"), help="default: bubblewrap")
    kinds.add_argument("--trust", action="store_true", help="no sandbox: run students' code with your permissions")

    command = add("page", page, "build the page that draws, reads and looks inside: one HTML file")
    command.add_argument("--run", type=folder.given, metavar="DIR", help="chapter 3's run; default: the reference run")
    command.add_argument("--out", type=folder.given, metavar="FILE", help="default: runs/page/digits.html")

    command = add("bench", bench, "time the classic loop and the course's side by side; about five minutes")
    command.add_argument("--out", type=folder.given, metavar="DIR", help="default: runs/bench in the course")
    command.add_argument("--repeats", type=int, default=3, metavar="N", help="timed epochs of each variant; default: 3")
    command.add_argument("--epochs", type=int, default=12, metavar="N", help="limit, classic loop; default: 12")
    command.add_argument("--dataset", choices=("auto", "mnist", "digits"), default="auto", help="default: auto")
    command.add_argument("--device", choices=settings.DEVICES, default="auto", help="default: auto")
    others = command.add_mutually_exclusive_group()
    others.add_argument("--shared", action="store_true", help="instead: several trainings at once; about ten minutes")
    others.add_argument("--race", action="store_true", help="instead: a race to 99.0 %%; about a quarter of an hour")

    add("doctor", doctor, "tell in seconds whether the course can run here, and how fast")
    command = add("record", record, "run the sweeps on MNIST that results/ quotes; three hours")
    command.add_argument("--clinic", action="store_true", help="only chapter 9's trainings; twenty minutes")
    command = add("tables", tables, "write the tables in the README and results/, and the teacher's page")
    command.add_argument("--check", action="store_true", help="write nothing; exit status 1 if they differ")
    add_chapters(add("refresh", refresh, "execute the notebooks in place on MNIST, to commit their outputs"))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; say in one line what went wrong, if anything did.

    Returns:
        The exit status: 0 well; 1 a chapter or a check failed, a file can't be read or written, a package is missing;
        2 bad input; 130 somebody stopped it; 141 whoever read its output has gone (`| head -1`). The last two are a
        shell's numbers.
    """
    let_nothing_printed_fail()
    words = sys.argv[1:] if arguments is None else arguments
    if arguments is None:  # this process is ours
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster's time is up: stop as after Ctrl-C
    options = Namespace(command="")
    try:
        try:
            options = build_parser().parse_args(words or ["--help"])
            return options.func(options)
        finally:
            sys.stdout.flush()  # now, since nobody could answer an error when Python ends
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"python -m course {options.command}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        remedy = "run: python -m pip install -r requirements.txt"
        print(f"python -m course {options.command}: {error.name} is not installed; {remedy}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        drop_output()
        return 141
    except OSError as error:
        drop_output()  # it may be what the disk has no room for
        print(f"python -m course {options.command}: {in_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if arguments is None:  # this process is about to end, which a second Ctrl-C must not disturb
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("Stopped. What was finished is kept.", file=sys.stderr)
        return 130


def let_nothing_printed_fail() -> None:
    """Print what a terminal's encoding lacks as `\\u2026`; where a stream was closed from the start, print nothing."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # or the next file that is opened would get its number, and what kernels print
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "w", encoding="utf-8"))  # noqa: SIM115  # for as long as Python runs
        elif isinstance(stream, io.TextIOWrapper):  # a notebook's is something else
            stream.reconfigure(errors="backslashreplace")


def drop_output() -> None:
    """Let what is still to be printed go nowhere, or Python would try again when it ends, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def in_one_line(error: OSError) -> str:
    """Return what the system complains about, and of which file."""
    if isinstance(error.filename, str | Path):
        return f"'{settings.shown(Path(error.filename).absolute())}': {error.strerror}"
    return " ".join(str(error).split())


def run(options: Namespace) -> int:
    """Execute chapters; leave notebooks and results.json in the folder `--out`. Or list their parameters."""
    from course import chapters

    if options.list:
        print(chapters.list_parameters(chapters.select_chapters(options.chapters)))
        return 0

    from course.run import run, summary

    out = options.out or settings.ROOT / "runs" / "run"
    results = run(options.chapters, options.parameter, out, options.of_sweep)
    print("\n" + summary(results, out))
    return 0


def sweep(options: Namespace) -> int:
    """Run a grid with several seeds; leave one folder per run, and the tables, in the folder `--out`."""
    from course.chapters import select_chapters
    from course.sweep import parse_grid, parse_slurm, sweep

    grid, out, slurm = parse_grid(options.grid), options.out, parse_slurm(options.slurm)
    chapters = select_chapters(options.chapters)
    where = (options.workers, options.scheduler, options.patience, slurm)
    results = sweep(chapters, grid, out, options.seeds, options.parameter, *where)
    failed = results[results["status"] == "failed"]
    print("\n" + (out / "summary.md").read_text(encoding="utf-8"))
    print(f"{len(results) - len(failed)} of {len(results)} runs done; tables and runs are in {settings.shown(out)}")
    if len(failed):
        print(f"{len(failed)} failed, see the error in results.csv; the same command runs them again")
    return 1 if len(failed) else 0


def data(options: Namespace) -> int:
    """Fetch and verify a data set."""
    from helpers.data import load_dataset
    from helpers.download import FAMILY

    if options.dataset not in FAMILY:
        raise ValueError(f"dataset: unknown data set {options.dataset!r}; choose one of {', '.join(FAMILY)}")
    data_dir = options.data_dir or settings.from_root("data")
    dataset = load_dataset(options.dataset, data_dir, options.mirror)
    print(
        f"{dataset.title}: {len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images, "
        f"checksums verified, in {settings.shown(data_dir)}"
    )
    return 0


def progress(options: Namespace) -> int:
    """Show which exercises are solved on this computer; write that as JSON; or set it aside."""
    from course import overview

    if options.reset and options.export:
        raise ValueError("progress: --export and --reset are given together; export first, then reset")
    if options.reset:
        print(overview.reset())
        return 0
    print(overview.table())
    if options.export:
        print(f"written to {settings.shown(overview.export(options.export))}")
    return 0


def handouts(options: Namespace) -> int:
    """Build the students' and the instructors' copies."""
    from course.chapters import select_chapters
    from course.handouts.build import build

    out = options.out or settings.ROOT / "handouts"
    chapters = select_chapters(options.chapters)
    paper = options.paper if options.pdf else None
    files = build(chapters, out, paper, options.source, options.worksheet, options.slides)
    kinds = ", ".join(sorted({file.suffix[1:] for file in files}))
    print(f"{len(files)} files ({kinds}) in {settings.shown(out)}/student and {settings.shown(out)}/instructor")
    return 0


def site(options: Namespace) -> int:
    """Build the course as a site."""
    from course.chapters import select_chapters
    from course.site.build import build

    out = options.out or settings.ROOT / "runs" / "site"
    files = build(select_chapters([]), out, options.paper if options.pdf else None)
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{len(files)} files, {size:.1f} MB, in {settings.shown(out)}; open index.html in a browser")
    return 0


def grade(options: Namespace) -> int:
    """Grade what students handed in; leave tables, feedback and pages in the folder `--out`."""
    from course.chapters import select_chapters
    from course.grade.run import grade

    out = options.out or settings.ROOT / "runs" / "grades"
    chapters = select_chapters(options.chapters) if options.chapters else []
    where = (options.workers, options.scheduler, "none" if options.trust else options.sandbox)
    done = grade(options.folder, out, chapters, *where, options.roster, options.points)
    print(f"{done['notebooks']} notebook(s) from {done['students']} student(s), {done['judged']} judged now")
    if done["failed"]:
        print(f"{done['failed']} could not be read or judged, see the note in totals.csv")
    print(f"grades.csv, totals.csv, summary.html, words.html and feedback are in {settings.shown(out)}")
    return 1 if done["failed"] else 0


def page(options: Namespace) -> int:
    """Build the page that draws, reads and looks inside."""
    from course.page.build import write

    out = options.out or settings.ROOT / "runs" / "page" / "digits.html"
    write(options.run, out)
    print(f"{out.stat().st_size / 1e6:.2f} MB in {settings.shown(out)}; open it in a browser")
    return 0


def bench(options: Namespace) -> int:
    """Time the classic loop and the course's side by side; leave numbers and a table in the folder `--out`."""
    from course.bench import bench
    from course.bench_shared import bench as bench_shared

    out = options.out or settings.ROOT / "runs" / "bench"
    if options.shared:
        bench_shared(out, options.dataset, options.repeats)
    else:
        bench(out, options.dataset, options.device, options.repeats, options.epochs, options.race)
    table = "shared.md" if options.shared else "race.md" if options.race else "bench.md"
    print("\n" + (out / table).read_text(encoding="utf-8"))
    print(f"numbers and table are in {settings.shown(out)}")
    return 0


def doctor(options: Namespace) -> int:
    """Tell whether the course can run here."""
    from course.doctor import doctor

    return doctor()


def record(options: Namespace) -> int:
    """Run the sweeps and the clinic's trainings, whose numbers results/ holds."""
    from course.maintain import clinic_record
    from course.maintain.record import record

    if not options.clinic:
        record()
    clinic_record.record()
    return 0


def tables(options: Namespace) -> int:
    """Bring the tables and the teacher's page up to date, or tell whether they are."""
    from course.maintain.tables import write_tables

    changed = write_tables(write=not options.check)
    state = "differ from their sources" if changed and options.check else "are up to date"
    print(f"The tables in README.md and results/, and the notes in docs/teaching.md, {state}")
    return 1 if changed and options.check else 0


def refresh(options: Namespace) -> int:
    """Execute notebooks in place."""
    from course.maintain.refresh import refresh

    refresh(options.chapters)
    return 0


if __name__ == "__main__":
    sys.exit(main())
