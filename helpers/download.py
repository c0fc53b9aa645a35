"""Fetch a data set's archives, and never hand on a file that isn't the published one.

Archives stay packed on the disk and are unpacked in memory, at every start, after their checksum was compared.
So there are no extracted files that could be cut short, edited or out of date.
What comes of each way in which a mirror or a disk can fail stands in docs/downloads.md.
"""

import errno
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
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
ATTEMPTS = 2  # for each mirror, where a second one can help
PAUSE = 0.5  # seconds between them
WAIT = 600.0  # seconds for another process that is fetching into the same folder

pooch.get_logger().setLevel("ERROR")  # its messages would land in the chapter as red text


class DataError(ValueError):
    """The data can't be had; the message is one line that says what to do."""


class SettingError(DataError):
    """`data_dir` or `mirror` can't be used: for the caller to mend, since other data wouldn't help."""


class _Fault(Exception):
    """What a mirror did wrong, in words; `may_pass` tells whether asking it again at once can help."""

    def __init__(self, words: str, may_pass: bool = False):
        super().__init__(words)
        self.may_pass = may_pass


@dataclass(frozen=True)
class Archive:
    """One published `.gz` file: its name, its MD5 checksum, and the folders on the web that hold it."""

    name: str
    md5: str
    mirrors: tuple[str, ...]

    def is_in(self, folder: Path) -> bool:
        """Tell whether `folder` holds this archive, right to the last bit."""
        path = folder / self.name
        return path.is_file() and pooch.file_hash(str(path), alg="md5") == self.md5


# Our names for torchvision's classes, which know file names, checksums, mirrors and class names.
FAMILY = {
    "mnist": datasets.MNIST,
    "fashion": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "qmnist": datasets.QMNIST,
}


def archives(name: str) -> tuple[Archive, ...]:
    """Return the four archives of data set `name`: training images and labels, test images and labels."""
    family = FAMILY[name]
    if name == "qmnist":  # lists whole addresses where the others list a file name and mirrors
        resources = [(url.rpartition("/"), md5) for url, md5 in family.resources["train"] + family.resources["test"]]
        return tuple(Archive(file_name, md5, (folder,)) for (folder, _, file_name), md5 in resources)
    return tuple(Archive(file_name, md5, tuple(family.mirrors)) for file_name, md5 in family.resources)


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
    folder, wanted = data_dir / FAMILY[name].__name__ / "raw", archives(name)
    try:
        if not all(archive.is_in(folder) for archive in wanted):
            folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(folder / ".lock", timeout=WAIT):  # many ask at once: one fetches, the others wait
                _fetch_missing(wanted, folder, mirror)
    except filelock.Timeout:
        trouble = f"another process has been fetching into it for {WAIT:g} s; end that one and try again"
        raise DataError(f"{settings.shown(folder)}: {trouble}") from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, a quota, a limit on files
        trouble = "is full" if full else "can't be read and written"
        remedy = "free about 30 MB or give another folder" if full else "give a folder that can"
        reason = " ".join(str(error.strerror or error).split())
        raise SettingError(f"data_dir: '{settings.shown(data_dir)}' {trouble} ({reason}); {remedy}") from None
    return [folder / archive.name for archive in wanted]


def _fetch_missing(wanted: tuple[Archive, ...], folder: Path, mirror: str | None) -> None:
    """Download into a folder of its own, verify there, and only then move each archive into place, in one step."""
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)  # what a killed process left behind
    failed: set[str] = set()  # mirrors to ask last from then on
    try:
        for archive in wanted:
            if not archive.is_in(folder):
                _fetch(archive, partial, mirror, failed)
                os.replace(partial / archive.name, folder / archive.name)
    except _Fault as fault:
        names = ", ".join(archive.name for archive in wanted if not archive.is_in(folder))
        remedy = f"put {names} into {settings.shown(folder)}, or name a mirror: python -m course data --mirror URL"
        raise DataError(f"no mirror gave {fault}; {remedy}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch(archive: Archive, partial: Path, mirror: str | None, failed: set[str]) -> None:
    """Put one verified archive into `partial`; every mirror gets its chances, in order, those in `failed` last."""
    faults = []
    bases = (mirror, *archive.mirrors) if mirror else archive.mirrors
    for base in sorted(bases, key=failed.__contains__):
        host = base.split("/")[2].rpartition("@")[2]  # without a password
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE * attempt)
            try:
                url = f"{base.rstrip('/')}/{archive.name}"
                pooch.retrieve(url, f"md5:{archive.md5}", archive.name, partial, downloader=_download)
                return
            except _Fault as error:
                fault = error
            except ValueError:  # from pooch, which compared the checksum
                fault = _Fault("wrong checksum", may_pass=True)
            faults.append(f"{host}: {fault}")
            if not fault.may_pass:
                break
        failed.add(base)
    raise _Fault(f"{archive.name} ({'; '.join(dict.fromkeys(faults))})")


def _download(url: str, output_file: str, _pooch: object) -> None:
    """Write the body of `url` to `output_file`; pooch calls this, then compares the checksum."""
    with _open(url) as response, open(output_file, "wb") as file:
        size, name = response.raw.length_remaining, url.rpartition("/")[2]
        with tqdm(total=size, desc=name, unit="B", unit_scale=True, leave=False, delay=1) as bar:
            for chunk in _chunks(response):
                file.write(chunk)
                bar.update(len(chunk))


class _Session(requests.Session):
    """Follows redirects, but never from https to plain http."""

    def get_redirect_target(self, response: requests.Response) -> str | None:
        target = super().get_redirect_target(response)
        if target and response.url.startswith("https:") and target.lower().startswith("http:"):
            raise _Fault("redirect from https to http refused")
        return target


def _open(url: str) -> requests.Response:
    """Send a request and return what answers, its body still unread.

    PATIENCE covers name look-up, connection, redirects and header together. The time-out of `requests` starts anew
    with every byte of a header that drips in, so the request has a thread of its own, which can be left behind.
    """
    answer: Future[requests.Response] = Future()

    def ask() -> None:
        as_stored = {"Accept-Encoding": "identity"}  # the checksum is that of the packed file
        try:
            answer.set_result(_Session().get(url, stream=True, timeout=PATIENCE, headers=as_stored))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        response = answer.result(timeout=PATIENCE)
    except (TimeoutError, requests.Timeout):
        raise _Fault(f"no answer in {PATIENCE:g} s") from None
    except requests.exceptions.SSLError:
        raise _Fault("certificate not trusted here") from None
    except requests.TooManyRedirects:
        raise _Fault("redirects again and again") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):  # the last two: no valid address
        raise _Fault("no connection") from None
    if response.status_code != 200:
        response.close()
        raise _Fault(f"answered {response.status_code}", may_pass=response.status_code >= 500)
    return response


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield what arrives, as it arrives; give up on a transfer that stops, drips or never ends."""
    start, total, recent = time.monotonic(), 0, 0
    while True:
        try:
            chunk = response.raw.read1(1 << 16)
        except urllib3.exceptions.ReadTimeoutError:
            raise _Fault(f"silent for {PATIENCE:g} s in mid-file") from None
        except urllib3.exceptions.HTTPError:
            raise _Fault("broke off in mid-file", may_pass=True) from None
        if not chunk:
            return
        if total == 0 and chunk.lstrip().startswith(b"<"):
            raise _Fault("sent a web page in place of the file, perhaps to log in")
        yield chunk
        total, recent, seconds = total + len(chunk), recent + len(chunk), time.monotonic() - start
        if total > LARGEST:
            raise _Fault("sends more than any archive has")
        if seconds > PATIENCE:  # look at the last PATIENCE seconds only: a quick start excuses nothing
            if recent < seconds * MINIMUM_RATE:
                raise _Fault(f"sends only {recent / seconds:.0f} B/s")
            start, recent = time.monotonic(), 0
