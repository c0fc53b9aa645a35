"""Fetch a data set's archives, and never hand on a file that isn't the published one.

Archives stay packed on the disk and are unpacked in memory, at every start, after their checksum was compared.
So there are no extracted files that could be cut short, edited or out of date.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from filelock import FileLock
from torchvision import datasets
from tqdm.auto import tqdm

PATIENCE = 10.0  # seconds without an answer, or with less than MINIMUM_RATE, before a mirror is given up
MINIMUM_RATE = 4_096  # bytes a second; a slower transfer would outlast the lesson
ATTEMPTS = 2  # for each mirror, where a second one can help

pooch.get_logger().setLevel("ERROR")  # its messages would land in the chapter as red text


class DataError(ValueError):
    """The data can't be had; the message is one line that says what to do."""


@dataclass(frozen=True)
class Archive:
    """One published `.gz` file: its name, its MD5 checksum, and the folders on the web that hold it."""

    name: str
    md5: str
    mirrors: tuple[str, ...]


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
        resources = family.resources["train"] + family.resources["test"]
        pairs = [(url.rpartition("/"), md5) for url, md5 in resources]
        return tuple(Archive(file_name, md5, (f"{folder}/",)) for (folder, _, file_name), md5 in pairs)
    return tuple(Archive(file_name, md5, tuple(family.mirrors)) for file_name, md5 in family.resources)


def archive_folder(name: str, data_dir: Path) -> Path:
    """Return the folder that holds the archives: `data/MNIST/raw`, as torchvision lays it out."""
    return data_dir / FAMILY[name].__name__ / "raw"


def ensure_archives(name: str, data_dir: Path, mirror: str | None = None) -> list[Path]:
    """Return the paths of the four verified archives of `name`, fetching what is missing or broken.

    Args:
        name: a key of `FAMILY`.
        data_dir: archives lie in `data_dir/<Family>/raw/`; nothing is written if they are already there.
        mirror: address of a folder on the web (`http://…/mnist/`), asked before the published ones.

    Raises:
        DataError: no mirror gave the right file, or the folder can't be written.
    """
    folder, wanted = archive_folder(name, data_dir), archives(name)
    if any(not _verified(folder / archive.name, archive) for archive in wanted):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):  # a whole class may ask at once: one fetches, the others wait
                _fetch_missing(wanted, folder, mirror)
        except OSError as error:
            raise DataError(
                f"data_dir: '{data_dir}' can't be written ({error.strerror or error}); "
                "give a folder that can, with space for the archives"
            ) from error
    return [folder / archive.name for archive in wanted]


def _verified(path: Path, archive: Archive) -> bool:
    return path.is_file() and pooch.file_hash(str(path), alg="md5") == archive.md5


def _fetch_missing(wanted: tuple[Archive, ...], folder: Path, mirror: str | None) -> None:
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)  # what a killed download left behind
    try:
        for archive in wanted:
            if not _verified(folder / archive.name, archive):
                os.replace(_fetch(archive, partial, mirror, folder), folder / archive.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch(archive: Archive, partial: Path, mirror: str | None, folder: Path) -> str:
    """Download one archive into `partial` and return its path; every mirror gets its chances, in order."""
    faults = []
    for base in ((mirror,) if mirror else ()) + archive.mirrors:
        url = base.rstrip("/") + "/" + archive.name
        for _ in range(ATTEMPTS):
            try:
                return pooch.retrieve(url, f"md5:{archive.md5}", archive.name, partial, downloader=_download)
            except (requests.RequestException, ValueError) as error:
                faults.append(f"{urlsplit(base).hostname}: {_in_words(error)}")
                if not _may_pass(error):
                    break
                time.sleep(0.5)
    raise DataError(
        f"{archive.name} can't be had ({'; '.join(dict.fromkeys(faults))}); put the archives "
        f"into {folder} or name a mirror: python -m helpers data --mirror URL"
    )


def _download(url: str, output_file: str, _pooch: object) -> None:
    """Write the body of `url` to `output_file`; pooch calls this, then compares the checksum."""
    with _open(url) as response, open(output_file, "wb") as file:
        total = int(response.headers.get("Content-Length", 0)) or None
        name = url.rpartition("/")[2]
        with tqdm(total=total, desc=name, unit="B", unit_scale=True, leave=False, delay=1) as bar:
            for chunk in _chunks(response):
                file.write(chunk)
                bar.update(len(chunk))


def _open(url: str) -> requests.Response:
    """Open `url`, following redirects by hand so that none leads from https to plain http."""
    for _ in range(5):
        response = requests.get(
            url, stream=True, timeout=PATIENCE, allow_redirects=False, headers={"Accept-Encoding": "identity"}
        )
        if not response.is_redirect:
            response.raise_for_status()
            return response
        response.close()
        target = response.next.url
        if url.startswith("https:") and not target.startswith("https:"):
            raise ValueError("redirect from https to http refused")
        url = target
    raise ValueError("too many redirects")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """Yield what arrives, as it arrives; give up on a transfer that only drips."""
    start, received = time.monotonic(), 0
    while chunk := response.raw.read1(1 << 16):
        received += len(chunk)
        seconds = time.monotonic() - start
        if seconds > PATIENCE and received < seconds * MINIMUM_RATE:
            raise requests.Timeout(f"only {received / seconds:.0f} bytes a second")
        yield chunk


def _may_pass(error: Exception) -> bool:
    """Tell whether asking the same mirror again can help: not after 'forbidden' or 'no such host'."""
    if isinstance(error, requests.HTTPError):
        return error.response.status_code >= 500
    return isinstance(error, requests.exceptions.ReadTimeout | requests.exceptions.ChunkedEncodingError) or (
        "hash" in str(error)
    )


def _in_words(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"answered {error.response.status_code}"
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return f"no answer in {PATIENCE:.0f} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if "hash" in str(error):
        return "sent a file with the wrong checksum"
    return str(error).splitlines()[0]
