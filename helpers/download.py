"""Fetch a data set's archives, and never hand on a file that isn't the published one.

Archives stay packed on the disk and are unpacked in memory, at every start, after their checksums were compared.
So there are no extracted files that could be cut short, edited or out of date.
docs/downloads.md tells what happens when a mirror, the network or the disk fails.
"""

import os
import re
import shutil
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import filelock
import pooch
import requests
import urllib3  # requests is built on it, and its errors come through while a body is read
from torchvision import datasets
from tqdm.auto import tqdm

from helpers import settings

PATIENCE = 10.0  # seconds without an answer, or with less than MINIMUM_RATE, before a mirror is given up
MINIMUM_RATE = 4_096  # bytes a second; a slower transfer would outlast the lesson
LARGEST = 64 << 20  # bytes; the largest archive, FashionMNIST's training images, has 26 million
WAIT = 600.0  # seconds for another process that is fetching into the same folder

# Our names for torchvision's classes, which know file names, checksums, mirrors and class names.
FAMILY = {
    "mnist": datasets.MNIST,
    "fashion": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "qmnist": datasets.QMNIST,
}
pooch.get_logger().setLevel("ERROR")  # its messages would land in the chapter as red text


class DataError(ValueError):
    """The data can't be had; the message is one line that says what to do."""


class SettingError(DataError):
    """`data_dir` or `mirror` can't be used: for the caller to mend, since other data wouldn't help."""


class _Fault(Exception):
    """What a mirror did wrong, in words."""


class _PassingFault(_Fault, ValueError):
    """A fault that may be gone a second later. For a ValueError, pooch asks again, as it does for a wrong checksum."""


def archives(name: str) -> tuple[dict[str, str], list[str]]:
    """Return the MD5 checksums of data set `name` by file name, and its mirrors: folders on the web with these files.

    The files are, in this order: training images, training labels, test images, test labels.
    """
    family = FAMILY[name]
    if name != "qmnist":
        return dict(family.resources), list(family.mirrors)
    resources = family.resources["train"] + family.resources["test"]  # whole addresses, all in one folder
    return {url.rpartition("/")[2]: md5 for url, md5 in resources}, [resources[0][0].rpartition("/")[0]]


def ensure_archives(name: str, data_dir: Path, mirror: str | None = None) -> list[Path]:
    """Return the paths of the four verified archives of `name`, fetching what is missing or broken.

    Args:
        name: a key of `FAMILY`.
        data_dir: archives lie in `data_dir/<Family>/raw/`; nothing is written if they are already there.
        mirror: address of a folder on the web (`http://…/mnist/`), asked before the published ones.

    Raises:
        SettingError: `data_dir` can't be read or written, or is full; `mirror` is no address.
        DataError: no mirror gave the right file. A later call starts afresh: there is nothing to clean up.
    """
    if mirror and not re.match(r"https?://[^/\s]", str(mirror)):
        raise SettingError(f"mirror: got '{mirror}'; give the address of a folder, http://… or https://…")
    checksums, mirrors = archives(name)
    folder = data_dir / FAMILY[name].__name__ / "raw"
    try:
        if _missing(checksums, folder):
            folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(folder / ".lock", timeout=WAIT):  # many ask at once: one fetches, the others wait
                _fetch_missing(checksums, folder, [mirror, *mirrors] if mirror else mirrors)
    except filelock.Timeout:
        trouble = f"another process has been fetching into it for {WAIT:g} s; end that one and try again"
        raise DataError(f"{settings.shown(folder)}: {trouble}") from None
    except OSError as error:
        reason = " ".join(str(error.strerror or error).split())
        remedy = "give a folder that you can write to, with 30 MB free"
        raise SettingError(f"data_dir: '{settings.shown(data_dir)}' can't be used ({reason}); {remedy}") from None
    return [folder / file_name for file_name in checksums]


def _missing(checksums: dict[str, str], folder: Path) -> list[str]:
    """Return the names of the archives that `folder` doesn't hold, right to the last bit."""
    paths = {folder / file_name: md5 for file_name, md5 in checksums.items()}
    return [path.name for path, md5 in paths.items() if not path.is_file() or pooch.file_hash(path, "md5") != md5]


def _fetch_missing(checksums: dict[str, str], folder: Path, mirrors: list[str]) -> None:
    """Download into a folder of its own, verify there, and only then move each archive into place, in one step."""
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)  # what a killed process left behind
    try:
        for file_name in _missing(checksums, folder):
            _fetch(file_name, checksums[file_name], partial, mirrors)
            os.replace(partial / file_name, folder / file_name)
    except _Fault as fault:
        names = ", ".join(_missing(checksums, folder))
        remedy = f"put {names} into {settings.shown(folder)}, or name a mirror: python -m course data --mirror URL"
        raise DataError(f"no mirror gave {fault}; {remedy}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch(file_name: str, md5: str, partial: Path, mirrors: list[str]) -> None:
    """Put one verified archive into `partial`, from the first mirror that gives it; one that fails is asked last."""
    faults = []
    for mirror in list(mirrors):
        source = pooch.create(partial, mirror, registry={file_name: f"md5:{md5}"}, retry_if_failed=1)
        try:
            source.fetch(file_name, downloader=_download)
            return
        except (_Fault, ValueError) as error:
            fault = error if isinstance(error, _Fault) else "wrong checksum"
        host = mirror.split("/")[2].rpartition("@")[2]  # without a password
        faults.append(f"{host}: {fault}")
        mirrors.append(mirrors.pop(mirrors.index(mirror)))
    raise _Fault(f"{file_name} ({'; '.join(faults)})")


def _download(url: str, output_file: str, _pooch: object) -> None:
    """Write the body of `url` to `output_file`, as `pooch.HTTPDownloader` does, but give up a mirror that drips.

    The time-out of `requests` starts anew with each byte, so the bytes of every PATIENCE seconds are counted here.
    """
    try:
        with _ask(url) as response, open(output_file, "wb") as file:
            if response.status_code != 200:
                kind = _PassingFault if response.status_code >= 500 else _Fault
                raise kind(f"answered {response.status_code}")
            recent, deadline, size = 0, time.monotonic() + PATIENCE, response.raw.length_remaining
            with tqdm.wrapattr(file, "write", size, desc=url.rpartition("/")[2], leave=False, delay=1) as sink:
                while chunk := response.raw.read1(1 << 16):
                    if file.tell() == 0 and chunk.lstrip().startswith(b"<"):
                        raise _Fault("sent a web page in place of the file, perhaps to log in")
                    sink.write(chunk)
                    if file.tell() > LARGEST:
                        raise _Fault("sends more than any archive has")
                    recent += len(chunk)
                    if time.monotonic() > deadline:
                        if recent < PATIENCE * MINIMUM_RATE:
                            raise _Fault(f"sends only {recent / PATIENCE:.0f} B/s")
                        recent, deadline = 0, time.monotonic() + PATIENCE
    except _Fault:
        raise
    except (TimeoutError, requests.Timeout, urllib3.exceptions.ReadTimeoutError):
        raise _Fault(f"no answer in {PATIENCE:g} s") from None
    except requests.exceptions.SSLError:
        raise _Fault("certificate not trusted here") from None
    except requests.TooManyRedirects:
        raise _Fault("redirects again and again") from None
    except (requests.RequestException, ValueError):  # the latter: no valid address
        raise _Fault("no connection") from None
    except urllib3.exceptions.HTTPError:
        raise _PassingFault("broke off in mid-file") from None


def _ask(url: str) -> requests.Response:
    """Send a request and return what answers within PATIENCE, its body still unread.

    `requests` would take so long for each address of a name, and for each byte of the header. So the request has a
    thread of its own, which can be left behind.
    """
    answer: Future[requests.Response] = Future()

    def ask() -> None:
        as_stored, hooks = {"Accept-Encoding": "identity"}, {"response": _refuse_plain_http}
        try:
            answer.set_result(requests.get(url, stream=True, timeout=PATIENCE, headers=as_stored, hooks=hooks))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return answer.result(PATIENCE)


def _refuse_plain_http(response: requests.Response, **_: object) -> None:
    """Stop before a redirect from https to plain http is followed."""
    if response.url.startswith("https:") and response.headers.get("Location", "").lower().startswith("http:"):
        raise _Fault("redirect from https to http refused")
