"""Can the course run here, and how fast? `python -m course doctor` tells in seconds, the day before a lesson."""

import platform
import re
import shutil
import statistics
import tempfile
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import psutil
import requests
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course.handouts import printing
from helpers import results, settings

OK, WARNING, MISSING = "ok", "warning", "missing"  # all is well; the course runs, with less; it can't run
Finding = tuple[str, str]  # one of these, and what was found and what to do
HERE = settings.with_tilde(settings.ROOT)
INSTALL = "run: python -m pip install -r requirements.txt"
MEMORY = (1.0, 2.0)  # GB that a chapter takes on MNIST; with JupyterLab and room to spare
DISK = (0.1, 1.0)  # GB for what a run writes; for several, and the data sets
IMAGES = 6_400  # random ones, in one small training
RECORDED = settings.FILES / "results" / "reference" / "mnist" / "03_training.json"  # ten epochs
ALL_CHAPTERS = 7  # times the seconds of those ten epochs: 351 s beside 48 s, as measured
RECORDED_IMAGES = 50_000  # in each of them
PATIENCE = 5.0  # seconds for a mirror to answer


def python() -> Finding:
    wanted, found = metadata("mnist-course")["Requires-Python"], platform.python_version()
    if found in SpecifierSet(wanted):
        return OK, f"{found}, {platform.system()} on {platform.machine()}"
    return MISSING, f"{found}, and the course needs {wanted}; rebuild it with another Python"


def packages() -> Finding:
    """Compare what is installed with the ranges of pyproject.toml and the pins of requirements.txt; import nothing."""
    file = settings.CODE / "requirements.txt"  # an installed copy comes without it
    lines = file.read_text(encoding="utf-8") if file.is_file() else ""
    pins = {canonicalize_name(name): pin for name, pin in re.findall(r"^([\w-]+)==(\S+)", lines, re.MULTILINE)}
    absent, outside, others = [], [], []
    for needed in map(Requirement, requires("mnist-course") or pins):
        try:
            found = version(needed.name)
        except PackageNotFoundError:
            absent.append(needed.name)
            continue
        pin = pins.get(canonicalize_name(needed.name), found)
        if not needed.specifier.contains(found, prereleases=True):
            outside.append(f"{needed.name} {found} (needs {needed.specifier})")
        elif found.partition("+")[0] != pin:
            others.append(f"{needed.name} {found} ({pin})")
    if absent:
        return MISSING, f"not installed: {', '.join(absent)}; {INSTALL}"
    if outside:
        return WARNING, f"nobody tried {', '.join(outside)}; {INSTALL}"
    return OK, f"not as pinned, which may change the last digits: {', '.join(others)}" if others else "all as pinned"


def memory() -> Finding:
    return _enough(psutil.virtual_memory().available, MEMORY, "free", "close other programs")


def _standing() -> Path:
    """Return the folder that is written into, or where it will be made: an installed course begins without it."""
    return next(place for place in (settings.ROOT, *settings.ROOT.parents) if place.is_dir())


def disk() -> Finding:
    return _enough(shutil.disk_usage(_standing()).free, DISK, f"free for {HERE}", "make room")


def _enough(found: float, needed: tuple[float, float], words: str, remedy: str) -> Finding:
    gigabytes, (least, good) = found / 1e9, needed
    sign = OK if gigabytes >= good else WARNING if gigabytes >= least else MISSING
    return sign, f"{gigabytes:.1f} GB {words}" + (f"; {good:g} GB would be good: {remedy}" if sign != OK else "")


def folder() -> Finding:
    try:
        with tempfile.TemporaryFile(dir=_standing()):
            return OK, f"{HERE} can be written"
    except OSError as error:
        return MISSING, f"{HERE} can't be written ({error.strerror}); copy the course to your own folder"


def mnist() -> Finding:
    """Look for the archives, then ask the mirrors for the first one's head; nothing is fetched."""
    from helpers import download

    data_dir = settings.ROOT / "data"
    try:
        missing = download.missing("mnist", data_dir)
    except (ValueError, OSError) as error:
        return WARNING, f"{error}; chapters use small digits"
    if not missing:
        return OK, f"in {settings.shown(data_dir)}, checksums verified"
    for mirror in download.archives("mnist")[1]:
        address = f"{mirror.rstrip('/')}/{missing[0]}"
        with suppress(requests.RequestException):
            requests.head(address, timeout=PATIENCE, allow_redirects=True).raise_for_status()
            return OK, f"not here yet, but at {mirror}; fetch it ahead of a lesson: python -m course data"
    return WARNING, "not here, and no mirror answers: chapters use small digits; see python -m course data --help"


def browser() -> Finding:
    found = printing.find_browser()
    return (OK, found) if found else (WARNING, "no Chromium or Chrome: install one for handouts --pdf")


def training() -> Finding:
    """Import PyTorch, train on a few random images, and scale what the record says of chapter 3's ten epochs."""
    try:
        import torch
        from torch.utils.data import TensorDataset

        from helpers import data, model, training

        images, labels = torch.randn(IMAGES, 1, 28, 28), torch.randint(10, (IMAGES,))
        network = model.MNISTClassification()
        optimizer = torch.optim.Adam(network.parameters())
        seconds = []
        for _ in range(2):  # the first also warms up
            start = time.perf_counter()
            training.train_epoch(network, data.make_batches(TensorDataset(images, labels), 64), optimizer)
            seconds.append(time.perf_counter() - start)
    except (ImportError, OSError, RuntimeError) as error:
        return MISSING, f"PyTorch fails ({' '.join(str(error).split())[:200]}); {INSTALL}"
    history = results.read_json(RECORDED)["history"]
    recorded = statistics.median(epoch["seconds"] for epoch in history)
    here = min(seconds) * RECORDED_IMAGES / IMAGES
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    how = f"PyTorch {torch.__version__} ({build} build), {torch.get_num_threads()} thread(s), {min(seconds):.1f} s"
    ten, all_chapters = here * len(history), here * len(history) * ALL_CHAPTERS / 60
    times = f"chapter 3's ten epochs take about {ten:.0f} s, all chapters {all_chapters:.0f} min on MNIST"
    return OK, f"{how}; so {times} ({here / recorded:.1f} × our time)"


CHECKS = (python, packages, memory, disk, folder, browser, mnist, training)


def doctor() -> int:
    """Print a line for each check; return the exit status, 1 if the course can't run."""
    signs = set()
    for check in CHECKS:
        sign, words = check()
        print(f"{sign:9}{check.__name__:10}{words}", flush=True)
        signs.add(sign)
    return 1 if MISSING in signs else 0
