"""Fetch a data set's archives, and never hand on a file that isn't the published one.

Archives stay packed on the disk and are unpacked in memory, at every start, after their checksums were compared.
So there are no extracted files that could be cut short, edited or out of date.
docs/downloads.md tells what happens when a mirror, the network or the disk fails.
"""

import hashlib
import io
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import requests
import urllib3  # requests is built on it, and its errors come through while a body is read
from tqdm.auto import tqdm

from helpers import results, settings

PATIENCE = 10.0  # seconds without an answer, or behind RATE, before a mirror is given up
RATE = 16_384  # bytes a second, on average: MNIST in twelve minutes; less would outlast a lesson
PAUSE = 1.0  # seconds before a mirror is asked again
WAIT = 600.0  # seconds for another process that is fetching into the same folder

SIZES = {  # bytes of the archives, in the order of `archives`, of the data sets that come in MNIST's format
    "mnist": (9_912_422, 28_881, 1_648_877, 4_542),
    "fashion": (26_421_880, 29_515, 4_422_102, 5_148),
    "kmnist": (18_165_135, 29_497, 3_041_136, 5_120),
    "qmnist": (9_704_059, 463_024, 9_742_279, 526_800),
}
FAMILY = tuple(SIZES)

ADDRESS = re.compile(  # [scheme://][name:password@]host[:port][/path], with an @ nowhere else
    r"(\w+://)?([^/@\s]*@)?(?P<host>(\[[^]/@\s]+\]|[^][/:@\s]+)(:\d+)?)(/[^@\s]*)?"
)


class DataError(ValueError):
    """The data can't be had; the message is one line that says what to do."""


class SettingError(DataError):
    """`data_dir` or `mirror` can't be used: for the caller to mend, since other data wouldn't help."""


class _Fault(Exception):
    """What a mirror did wrong, in words."""


class _TransientFault(_Fault):
    """A fault that may be gone a second later."""


def published(name: str) -> Any:
    """Return torchvision's class of a data set, which knows file names, checksums, mirrors and class names."""
    from torchvision import datasets  # takes a second, which the embedded digits need not wait

    return getattr(datasets, settings.TITLES[name])


def archives(name: str) -> tuple[dict[str, tuple[str, int]], list[str]]:
    """Return MD5 checksum and size in bytes of each archive of `name`, and its mirrors: folders on the web.

    The archives are, in this order: training images, training labels, test images, test labels.
    """
    family = published(name)
    if name == "qmnist":
        resources = family.resources["train"] + family.resources["test"]  # whole addresses, all in one folder
        mirrors = [resources[0][0].rpartition("/")[0]]
    else:
        resources, mirrors = family.resources, list(family.mirrors)
    sized = zip(resources, SIZES[name], strict=True)
    return {address.rpartition("/")[2]: (md5, size) for (address, md5), size in sized}, mirrors


def missing(name: str, data_dir: Path) -> list[str]:
    """Return the names of the archives of `name` that `data_dir` doesn't hold, right to the last bit; fetch nothing.

    Raises:
        SettingError: something else has the name of an archive.
        OSError: an archive can't be read.
    """
    return _missing(archives(name)[0], data_dir / settings.TITLES[name] / "raw")


def ensure_archives(name: str, data_dir: Path, mirror: str | None = None) -> list[Path]:
    """Return the paths of the four verified archives of `name`, fetching what is missing or broken.

    Args:
        name: one of `FAMILY`.
        data_dir: archives are in `data_dir/<Family>/raw/`; nothing is written before one has come and is right.
        mirror: address of a folder on the web (`http://…/mnist/`), asked before the published ones.

    Raises:
        SettingError: `data_dir` can't be read or written, or is full; `mirror` is no address.
        DataError: no mirror gave the right file. A later call starts afresh: there is nothing to clean up.
    """
    if mirror and not (re.match("https?://", mirror, re.IGNORECASE) and ADDRESS.fullmatch(mirror)):
        given = "no address" if re.search("[:@]", mirror) else repr(mirror)  # beside : or @ there may be a password
        raise SettingError(f"mirror: got {given}; give the address of a folder, http://… or https://…")
    wanted, mirrors = archives(name)
    folder = data_dir / settings.TITLES[name] / "raw"
    new_folders: list[Path] = []
    try:
        if _missing(wanted, folder):
            folders = [folder, *folder.parents]
            new_folders = [path for path in folders if not path.exists()]
            with tempfile.TemporaryFile(dir=folders[len(new_folders)]):
                pass  # files can be written here: nothing is fetched that can't be kept
            with _lock(folder):  # many ask at once: one fetches, the others wait
                _fetch_missing(wanted, folder, [mirror, *mirrors] if mirror else mirrors)
    except filelock.Timeout:
        trouble = f"another process has been fetching into it for {WAIT:g} s; end that one and try again"
        raise DataError(f"{settings.shown(folder)}: {trouble}") from None
    except OSError as error:
        for path in new_folders:  # the innermost first
            with suppress(OSError):  # never made, or an archive is in it
                path.rmdir()
        reason = " ".join(str(error.strerror or error).split())
        remedy = "give a folder that you can write to, with 30 MB free"
        raise SettingError(f"data_dir: '{settings.shown(data_dir)}' can't be used ({reason}); {remedy}") from None
    return [folder / file_name for file_name in wanted]


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process of this computer at a time fetch into `folder`, which need not be there yet."""
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    path = Path(tempfile.gettempdir(), f"mnist-course-{name}.lock")
    with filelock.FileLock(path, timeout=WAIT, mode=0o666):  # somebody else's processes may share the folder
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps a file that is open
                path.unlink()


def _missing(wanted: dict[str, tuple[str, int]], folder: Path) -> list[str]:
    """Return the names of the archives that `folder` doesn't hold, right to the last bit."""
    missing = []
    for file_name, (md5, size) in wanted.items():
        path = folder / file_name
        if path.exists() and not path.is_file():
            raise SettingError(f"data_dir: '{settings.shown(path)}' is no file; remove it, and the archive is fetched")
        if not (path.is_file() and path.stat().st_size <= size and _md5(path.read_bytes()) == md5):
            missing.append(file_name)
    return missing


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _fetch_missing(wanted: dict[str, tuple[str, int]], folder: Path, mirrors: list[str]) -> None:
    """Download each missing archive into memory, verify it, and only then write it, in one step."""
    try:
        for file_name in _missing(wanted, folder):
            for part in folder.glob(f".{file_name}.*.part"):  # what a process left that was killed while it wrote
                part.unlink()
            results.atomic_save(_fetch(file_name, *wanted[file_name], mirrors), folder / file_name)
    except _Fault as fault:
        names = ", ".join(_missing(wanted, folder))
        remedy = f"put {names} into {settings.shown(folder)}, or name a mirror: python -m course data --mirror URL"
        raise DataError(f"no mirror gave {fault}; {remedy}") from None


def _fetch(file_name: str, md5: str, size: int, mirrors: list[str]) -> bytes:
    """Return one verified archive, from the first mirror that gives it; one that fails is asked last from then on."""
    faults = []
    for mirror in list(mirrors):
        url = f"{mirror.rstrip('/')}/{file_name}"
        try:
            try:
                return _download(url, md5, size)
            except _TransientFault:
                time.sleep(PAUSE)
                return _download(url, md5, size)
        except _Fault as fault:
            faults.append(f"{_route(url)}: {fault}")
            mirrors.append(mirrors.pop(mirrors.index(mirror)))
    raise _Fault(f"{file_name} ({'; '.join(faults)})")


def _route(url: str) -> str:
    """Return the host of `url`, and the proxy on the way to it, as a message may show them: without passwords."""
    try:
        proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    except ValueError:  # no valid address
        proxy = None
    hosts = [match["host"] if (match := ADDRESS.fullmatch(each)) else "(no address)" for each in (url, proxy) if each]
    return " through the proxy ".join(hosts)


def _download(url: str, md5: str, size: int) -> bytes:
    """Return the body of `url`: the archive with this checksum, and never more than `size` bytes.

    The time-out of `requests` starts anew with each byte. Here a mirror must also keep up with RATE.
    """
    content = io.BytesIO()
    try:
        with _ask(url) as response:
            if response.status_code != 200:
                kind = _TransientFault if response.status_code >= 500 else _Fault
                raise kind(f"answered {response.status_code}")
            start = time.monotonic()
            with tqdm.wrapattr(content, "write", size, desc=url.rpartition("/")[2], leave=False, delay=1) as sink:
                while (left := size - content.tell()) and (chunk := response.raw.read1(min(left, 1 << 16))):
                    if content.tell() == 0 and chunk.lstrip().startswith(b"<"):
                        raise _Fault("sent a web page in place of the file, perhaps to log in")
                    sink.write(chunk)
                    seconds = time.monotonic() - start
                    if content.tell() < min(size, RATE * (seconds - PATIENCE)):  # never true for a whole file
                        raise _Fault(f"sends only {content.tell() / seconds:,.0f} B/s")
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
        raise _TransientFault("broke off in mid-file") from None
    if _md5(content.getvalue()) != md5:
        raise _TransientFault("wrong checksum")
    return content.getvalue()


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
    if response.url.lower().startswith("https:") and response.headers.get("Location", "").lower().startswith("http:"):
        raise _Fault("redirect from https to http refused")
