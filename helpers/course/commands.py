"""The commands of `python -m helpers`: each takes its options and returns an exit status."""

from argparse import Namespace
from pathlib import Path

from helpers import data as datasets
from helpers import parameters, paths
from helpers.course import readme, recording, refreshing
from helpers.course import run as running
from helpers.course.run import ChapterError
from helpers.download import FAMILY

__all__ = ["ChapterError", "data", "record", "refresh", "run", "tables"]


def run(options: Namespace) -> int:
    """Execute chapters; leave notebooks and results.json in the folder `--out`."""
    out: Path = options.out or paths.ROOT / "runs" / "latest"
    results = running.run(options.chapters, options.parameter, out)
    print("\n" + running.summary(results, out))
    return 0


def data(options: Namespace) -> int:
    """Fetch and verify a data set."""
    if options.dataset not in FAMILY:
        raise ValueError(f"dataset: unknown data set {options.dataset!r}; choose one of {', '.join(FAMILY)}")
    folder = (options.data_dir or paths.from_root("data")).absolute()
    dataset = datasets.load_dataset(options.dataset, folder, options.mirror)
    print(
        f"{dataset.title}: {len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images, "
        f"checksums verified, in {paths.shown(folder)}"
    )
    return 0


def record(options: Namespace) -> int:
    """Train with several seeds and write what the README quotes."""
    parameters.check(seeds=options.seeds)
    recording.record(options.seeds)
    return 0


def tables(options: Namespace) -> int:
    """Bring the README's tables up to date, or tell whether they are."""
    changed = readme.write_tables(write=not options.check)
    print("The README's tables " + ("differ from results/" if changed and options.check else "are up to date"))
    return 1 if changed and options.check else 0


def refresh(options: Namespace) -> int:
    """Execute notebooks in place."""
    refreshing.refresh(options.chapters)
    return 0
