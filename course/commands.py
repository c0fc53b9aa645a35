"""The commands of `python -m course`: each takes its options and returns an exit status.

Each imports what it alone needs: PyTorch and the rest take five seconds, and a list of parameters needs none of them.
"""

from argparse import Namespace
from pathlib import Path

from course import chapters
from course.execution import ChapterError
from course.handouts.printing import PrintError
from helpers import settings

__all__ = ["FAILURES", "bench", "data", "handouts", "progress", "record", "refresh", "run", "sweep", "tables"]

FAILURES = (ChapterError, PrintError)  # something failed though the call was right; each says what in one line


def run(options: Namespace) -> int:
    """Execute chapters; leave notebooks and results.json in the folder `--out`. Or list their parameters."""
    if options.list:
        print(chapters.list_parameters(chapters.select_chapters(options.chapters)))
        return 0

    from course import run as running

    out: Path = options.out or settings.ROOT / "runs" / "latest"
    results = running.run(options.chapters, options.parameter, out)
    print("\n" + running.summary(results, out))
    return 0


def sweep(options: Namespace) -> int:
    """Run a grid with several seeds; leave one folder a run, and the tables, in the folder `--out`."""
    from course import grid as grids
    from course import sweep as sweeping

    selected, out = chapters.select_chapters(options.chapters), options.out.expanduser()
    results = sweeping.sweep(
        selected,
        grids.parse_grid(options.grid),
        out,
        options.seeds,
        options.parameter,
        options.workers,
        options.scheduler,
    )
    failed = results[results["status"] == "failed"]
    print("\n" + (out / "summary.md").read_text(encoding="utf-8"))
    print(f"{len(results) - len(failed)} of {len(results)} runs done; tables and runs lie in {out}")
    if len(failed):
        print(f"{len(failed)} failed, see the column error of results.csv; the same command runs them again")
    return 1 if len(failed) else 0


def data(options: Namespace) -> int:
    """Fetch and verify a data set."""
    from helpers import data as datasets
    from helpers.download import FAMILY

    if options.dataset not in FAMILY:
        raise ValueError(f"dataset: unknown data set {options.dataset!r}; choose one of {', '.join(FAMILY)}")
    folder = (options.data_dir or settings.from_root("data")).absolute()
    dataset = datasets.load_dataset(options.dataset, folder, options.mirror)
    print(
        f"{dataset.title}: {len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images, "
        f"checksums verified, in {settings.shown(folder)}"
    )
    return 0


def progress(options: Namespace) -> int:
    """Show which exercises are solved on this computer; write that as JSON; or forget it."""
    from course.exercises import overview

    if options.reset and options.export:
        raise ValueError("progress: --export and --reset are given together; export first, then reset")
    try:
        if options.reset:
            print(overview.reset())
            return 0
        print(overview.table())
        if options.export:
            print(f"written to {overview.export(options.export)}")
    except OSError as error:
        raise ValueError(f"progress: '{error.filename}' can't be used ({error.strerror})") from None
    return 0


def handouts(options: Namespace) -> int:
    """Build the students' and the instructors' copies."""
    from course.handouts.build import build

    out: Path = (options.out or settings.ROOT / "handouts").expanduser().absolute()
    selected = chapters.select_chapters(options.chapters)
    files = build(selected, out, options.paper if options.pdf else None, options.source)
    kinds = ", ".join(sorted({file.suffix[1:] for file in files}))
    print(f"{len(files)} files ({kinds}) in {settings.shown(out)}/student and {settings.shown(out)}/instructor")
    return 0


def bench(options: Namespace) -> int:
    """Time the classic loop and the course's side by side; leave numbers and a table in the folder `--out`."""
    from course import bench as benching

    out = (options.out or settings.ROOT / "runs" / "bench").expanduser().absolute()
    benching.bench(out, options.dataset, options.device, options.repeats, options.epochs)
    print("\n" + (out / "bench.md").read_text(encoding="utf-8"))
    print(f"numbers and table lie in {settings.shown(out)}")
    return 0


def record(options: Namespace) -> int:
    """Run the sweeps that the README quotes."""
    from course.maintain import record

    record.record()
    return 0


def tables(options: Namespace) -> int:
    """Bring the README's tables and the teacher's page up to date, or tell whether they are."""
    from course.maintain import tables

    changed = tables.write_tables(write=not options.check)
    state = "differ from their sources" if changed and options.check else "are up to date"
    print(f"The README's tables and the notes in docs/teaching.md {state}")
    return 1 if changed and options.check else 0


def refresh(options: Namespace) -> int:
    """Execute notebooks in place."""
    from course.maintain import refresh

    refresh.refresh(options.chapters)
    return 0
