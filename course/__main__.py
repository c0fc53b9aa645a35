"""The one command line: `python -m course …`."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from course.handouts.printing import PAPERS
from helpers import settings


class OneLineParser(argparse.ArgumentParser):
    """Reports a wrong call in one line, without the usage in front; reads -1e-3 as a number, not as an option."""

    def __init__(self, *arguments: object, **options: object):
        super().__init__(*arguments, **options)
        self._negative_number_matcher = re.compile(r"-(\.?\d|inf|nan)")  # what Python 3.14 has, and -inf

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m course", description="What a teacher or a maintainer runs.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="execute chapters and gather their results")
    run.add_argument("chapters", nargs="*", metavar="CHAPTER", help="a number (03) or a file stem; default: all")
    run.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="-p epochs 3"
    )
    run.add_argument("--out", type=Path, default=None, metavar="DIR", help="default: runs/latest in the course")
    run.add_argument("--list", action="store_true", help="run nothing; list every parameter of the chapters")

    sweep = commands.add_parser("sweep", help="run a grid of settings with several seeds, and sum up")
    sweep.add_argument("chapters", nargs="+", metavar="CHAPTER", help="what each run executes, 03 04 say")
    sweep.add_argument(
        "--grid", action="append", default=[], metavar="NAME=V1,V2,…", help="--grid epochs=1,2; every combination runs"
    )
    sweep.add_argument("--seeds", type=int, default=None, metavar="N", help="each combination with seeds 0 to N-1")
    sweep.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="the same for all"
    )
    sweep.add_argument("--workers", type=int, default=None, metavar="W", help="runs at a time; default: cores, up to 4")
    sweep.add_argument("--scheduler", default=None, metavar="ADDRESS", help="run on a Dask cluster: tcp://HOST:PORT")
    sweep.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the sweep, also to resume it")

    data = commands.add_parser("data", help="fetch and verify a data set ahead of a lesson")
    data.add_argument("--dataset", default="mnist", metavar="NAME", help="mnist (default), fashion, kmnist or qmnist")
    data.add_argument("--data-dir", type=Path, default=None, metavar="DIR", help="default: data in the course")
    data.add_argument("--mirror", default=None, metavar="URL", help="a folder on the web that holds the archives")

    progress = commands.add_parser("progress", help="show which exercises are solved on this computer")
    progress.add_argument("--export", type=Path, default=None, metavar="FILE", help="write it as JSON, for a teacher")
    progress.add_argument("--reset", action="store_true", help="forget all, for the next learner at this computer")

    handouts = commands.add_parser("handouts", help="build students' and instructors' copies of the chapters")
    handouts.add_argument("--out", type=Path, default=None, metavar="DIR", help="default: handouts in the course")
    handouts.add_argument(
        "--chapters", nargs="+", default=[], metavar="CHAPTER", help="03 or a file stem; default: all"
    )
    handouts.add_argument("--source", type=Path, default=None, metavar="DIR", help="chapters that `run` left in DIR")
    handouts.add_argument("--pdf", action="store_true", help="print them as well, with Chromium or Chrome")
    handouts.add_argument("--paper", choices=PAPERS, default=PAPERS[0], help="of the PDFs; default: A4")

    bench = commands.add_parser("bench", help="time the classic loop and the course's side by side; about five minutes")
    bench.add_argument("--out", type=Path, default=None, metavar="DIR", help="default: runs/bench in the course")
    bench.add_argument("--repeats", type=int, default=3, metavar="N", help="timed epochs of each way; default: 3")
    bench.add_argument(
        "--epochs", type=int, default=12, metavar="N", help="give the classic loop up after so many; default: 12"
    )
    bench.add_argument("--dataset", choices=("auto", "mnist", "digits"), default="auto", help="default: auto")
    bench.add_argument("--device", choices=settings.DEVICES, default="auto", help="default: auto")

    commands.add_parser("record", help="run the sweeps on MNIST that results/ and the README quote; three hours")

    tables = commands.add_parser("tables", help="write the README's tables and the teacher's page")
    tables.add_argument("--check", action="store_true", help="write nothing; exit status 1 if they differ")

    refresh = commands.add_parser("refresh", help="execute the notebooks in place on MNIST, to commit their outputs")
    refresh.add_argument("chapters", nargs="*", metavar="CHAPTER", help="a number (03) or a file stem; default: all")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 well, 1 a chapter or a check failed, 2 bad input."""
    options = build_parser().parse_args(arguments)
    from course import commands  # takes a second: not before the call is known to be right

    try:
        return getattr(commands, options.command)(options)
    except commands.FAILURES as error:
        print(error, file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"python -m course {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. What was finished is kept.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
