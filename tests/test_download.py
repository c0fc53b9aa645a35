"""Whatever a mirror, a disk or a neighbor does: right data or one clear line, and a later call succeeds.

`fault_server.py` plays the mirrors. docs/downloads.md holds the promise, and row by row what
`torchvision.datasets.MNIST(download=True)` does with the same server; `compare_torchvision.py` measures it.
No test reads a clock: a download that never gave up would end in another message, since no fault lasts for ever.
"""

import errno
import gzip
import multiprocessing
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import fault_server
import numpy as np
import pytest
import trustme
import urllib3
from fault_server import FaultServer, Published

from helpers import data, download, results
from helpers.data import load_dataset
from helpers.download import DataError, SettingError

MNIST = fault_server.make_archives("mnist")
FIRST = "train-images-idx3-ubyte.gz"  # the first archive that is asked for
# Processes that import the course once and then fork are ready in no time; Windows has no such thing.
PROCESSES = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
PROCESSES.set_forkserver_preload(["fault_server", "helpers.data"])

FAULTS = {  # what every request meets, the words that makes, and how often the first archive is asked for
    "403": ("answered 403", 1),
    "404": ("answered 404", 1),
    "500": ("answered 500", 2),
    "503": ("answered 503", 2),
    "reset": ("broke off in mid-file", 2),
    "cut off": ("broke off in mid-file", 2),
    "truncated": ("wrong checksum", 2),
    "wrong bytes": ("wrong checksum", 2),
    "log-in page": ("sent a web page in place of the file, perhaps to log in", 1),
    "endless": ("wrong checksum", 2),
    "silence": ("no answer in 1 s", 1),  # asking again would double the wait
    "stall": ("no answer in 1 s", 1),
    "drip": ("sends only ", 1),
    "drip in mid-file": ("sends only ", 1),
    "5 kB a second": ("sends only ", 1),
    "drip in the header": ("no answer in 1 s", 1),
}
NO_ADDRESS = [
    "/media/stick/mnist",
    "ftp://127.0.0.1/mnist/",
    "127.0.0.1:8000",
    "http://",
    "http://[half/",
    "htp://teacher:secret@mirror.invalid/",
    "http:/teacher:secret@mirror.invalid/",
    "http://teacher:secret.mirror.invalid/",
    "http://teacher:sec/ret@mirror.invalid/",
    "http://teacher:sec ret@mirror.invalid/",
    "http://teacher@home:secret@mirror.invalid/",
]
NOBODY_THERE = {
    "refused": fault_server.closed_port(),
    "refused, with a password": fault_server.closed_port().replace("http://", "http://teacher:secret@"),
    "a name that does not resolve": "http://mirror.invalid/mnist/",
    "two dots": "http://two..dots/",
    "a name that is too long": f"http://{64 * 'a'}/",
}


@pytest.fixture(autouse=True)
def nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the local server directly, even where a proxy leads to the web, and again without a pause."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(socket, "getaddrinfo", fault_server.no_such_host)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """The only mirror of a small MNIST."""
    with FaultServer(MNIST.files) as server:
        set_table(monkeypatch, "mnist", MNIST, [server.url])
        yield server


@pytest.fixture
def secure(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A mirror that speaks https, with a certificate that is trusted here; the only one in the table."""
    authority = trustme.CA()
    context = fault_server.ssl.SSLContext(fault_server.ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    with FaultServer(MNIST.files, context) as secure:
        set_table(monkeypatch, "mnist", MNIST, [secure.url])
        yield secure


def set_table(monkeypatch: pytest.MonkeyPatch, name: str, published: Published, mirrors: list[str]) -> None:
    for attribute, value in fault_server.table(name, published, mirrors).items():
        monkeypatch.setattr(download.published(name), attribute, value)


def raw(data_dir: Path) -> Path:
    return data_dir / "MNIST" / "raw"


def fill(data_dir: Path) -> Path:
    """Put archives where a good download puts them, and return that folder."""
    raw(data_dir).mkdir(parents=True)
    for name, content in MNIST.files.items():
        (raw(data_dir) / name).write_bytes(content)
    return raw(data_dir)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_right(dataset: data.Dataset, published: Published = MNIST) -> None:
    loaded = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    for tensor, array in zip(loaded, published.arrays, strict=True):
        np.testing.assert_array_equal(tensor.numpy(), array)


def refused(data_dir: Path, kind: type[DataError] = DataError, **asked: object) -> str:
    """Load MNIST in vain; return the message, after a look at its form."""
    with pytest.raises(ValueError) as caught:
        load_dataset(**{"name": "mnist", "data_dir": data_dir, **asked})
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message and "\n" not in message and "Traceback" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "a learner would see two tracebacks"
    return message


def assert_later_call_succeeds(data_dir: Path, **asked: object) -> None:
    """The fault is gone: the same call brings the right data and leaves the four archives, nothing half-done."""
    assert_right(load_dataset(**{"name": "mnist", "data_dir": data_dir, **asked}))
    assert names_in(raw(data_dir)) == set(MNIST.files)


# --- what is there already ---


def test_a_good_mirror_is_asked_once_for_each_archive_and_then_never_again(server, tmp_path):
    assert_later_call_succeeds(tmp_path)
    assert_later_call_succeeds(tmp_path)
    assert server.requested == list(MNIST.files)


def test_nothing_is_written_where_the_archives_are(server, tmp_path):
    folder = fill(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.iterdir()]}
    assert_right(load_dataset("mnist", tmp_path))
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.iterdir()]} == before
    assert server.requested == []


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-100], lambda content: b"", fault_server.tampered],
    ids=["truncated", "emptied", "valid but not the published one"],
)
def test_a_broken_archive_is_fetched_anew_and_the_good_ones_are_not(server, tmp_path, damage):
    (fill(tmp_path) / FIRST).write_bytes(damage(MNIST.files[FIRST]))
    assert_later_call_succeeds(tmp_path)
    assert server.requested == [FIRST]


def test_extracted_files_that_torchvision_left_are_not_read(server, tmp_path):
    folder = fill(tmp_path)
    for name, content in MNIST.files.items():
        (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(content)[:-1] + b"?")
    assert_right(load_dataset("mnist", tmp_path))


# --- a mirror that fails ---


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mirror_that_keeps_failing_makes_one_clear_line(server, tmp_path, monkeypatch, fault):
    words, requests = FAULTS[fault]
    server.lasting = fault
    with monkeypatch.context() as hurried:
        hurried.setattr(fault_server, "DRIP", 0.1)
        if fault in ("silence", "stall", "5 kB a second") or "drip" in fault:
            hurried.setattr(download, "PATIENCE", 1.0)
        message = refused(tmp_path)
    assert f"(127.0.0.1:{server.server_port}: {words}" in message
    assert message.count(words) == 1, "the same fault is told once"
    assert server.requested == [FIRST] * requests, "asked again only where that can help"
    assert names_in(tmp_path) == set(), "no folder is made before an archive has come"
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path)


@pytest.mark.parametrize("fault", [fault for fault, (_, requests) in FAULTS.items() if requests == 2])
def test_a_mirror_that_fails_once_and_then_is_well_gives_the_data(server, tmp_path, fault):
    server.faults = [fault]
    assert_later_call_succeeds(tmp_path)
    assert server.requested == [FIRST, *MNIST.files]


@pytest.mark.parametrize("fault", ["404", "reset", "wrong bytes", "log-in page", "silence"])
def test_first_mirror_down_second_well(server, tmp_path, monkeypatch, fault):
    monkeypatch.setattr(download, "PATIENCE", 2.0)
    with FaultServer(MNIST.files) as broken:
        broken.lasting = fault
        set_table(monkeypatch, "mnist", MNIST, [broken.url, server.url])
        assert_later_call_succeeds(tmp_path)
    assert broken.requested == [FIRST] * FAULTS[fault][1], "a mirror that failed isn't asked first again"
    assert server.requested == list(MNIST.files)


def test_mirrors_that_hold_half_of_the_archives_each(server, tmp_path, monkeypatch):
    names = list(MNIST.files)
    with FaultServer(MNIST.files) as other:
        server.faults, other.faults = ["well", "404", "well"], ["well", "404"]
        set_table(monkeypatch, "mnist", MNIST, [server.url, other.url])
        assert_later_call_succeeds(tmp_path)
    assert server.requested == [names[0], names[1], names[2], names[3]]
    assert other.requested == [names[1], names[2]]


def test_without_a_network_the_line_says_which_files_go_where_and_how_to_set_a_mirror(server, tmp_path, monkeypatch):
    first, *others = MNIST.files
    server.faults, server.lasting = ["well"], "404"
    closed = fault_server.closed_port()
    set_table(monkeypatch, "mnist", MNIST, [closed, server.url])
    assert refused(tmp_path) == (
        f"no mirror gave {others[0]} (127.0.0.1:{server.server_port}: answered 404; {closed[7:-1]}: no connection); "
        f"put {', '.join(others)} into {raw(tmp_path)}, or name a mirror: python -m course data --mirror URL"
    )
    assert names_in(raw(tmp_path)) == {first}, "what came is kept"


# --- redirects ---


def test_a_redirect_from_https_to_http_is_refused(secure, server, tmp_path):
    secure.lasting, secure.elsewhere = "redirect", server.url
    assert "redirect from https to http refused" in refused(tmp_path / "data")
    assert server.requested == [], "nothing may be sent in the clear"
    secure.lasting = "well"
    assert_later_call_succeeds(tmp_path / "data")


def test_a_redirect_from_https_to_https_is_followed(secure, tmp_path):
    secure.faults, secure.elsewhere = ["redirect"], secure.url
    assert_later_call_succeeds(tmp_path / "data")


@pytest.mark.parametrize(
    ("elsewhere", "words"), [("/", "redirects again and again"), ("http://[half/", "no connection")]
)
def test_a_redirect_that_leads_nowhere(server, tmp_path, elsewhere, words):
    server.lasting, server.elsewhere = "redirect", elsewhere
    assert words in refused(tmp_path)
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path)


def test_an_untrusted_certificate_is_told_from_a_missing_connection(secure, tmp_path, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "certificate not trusted here" in refused(tmp_path / "data")


# --- a disk that fails ---


@contextmanager
def full_disk() -> Iterator[None]:
    """Let files that are being written say what a full disk says; works everywhere."""

    def no_space(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as full:
        full.setattr(results.os, "fsync", no_space)
        yield


@contextmanager
def size_limit() -> Iterator[None]:
    """Let the operating system itself refuse files above 10,000 bytes: a quota that needs no rights to set."""
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("limit", "code"), [(full_disk, errno.ENOSPC), (size_limit, errno.EFBIG)])
@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_disk_full(server, tmp_path, limit, code, name):
    with limit():
        message = refused(tmp_path, SettingError, name=name)
    remedy = "give a folder that you can write to, with 30 MB free"
    assert message == f"data_dir: '{tmp_path}' can't be used ({os.strerror(code)}); {remedy}"
    assert names_in(tmp_path) == set(), "the space is given back"
    assert_later_call_succeeds(tmp_path, name=name)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Returns a function that takes the right to write to a folder away, from root too."""
    if sys.platform == "win32":
        pytest.skip("Windows has no read-only folders in this sense")
    folders, user = [], os.geteuid()

    def protect(folder: Path) -> None:
        folders.append(folder)
        folder.chmod(0o555)
        if user == 0:
            os.seteuid(65534)  # root may write everywhere; 'nobody' may not

    yield protect
    os.seteuid(user)
    for folder in folders:
        folder.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that 'nobody' can read, as pytest's own can't."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_data_folder_read_only(server, open_folder, read_only, name):
    read_only(open_folder)
    assert refused(open_folder, SettingError, name=name).startswith(
        f"data_dir: '{open_folder}' can't be used (Permission denied); "
    )
    assert server.requested == [], "nothing is fetched that can't be kept"


def test_data_folder_read_only_with_the_archives_in_it(server, open_folder, read_only):
    read_only(fill(open_folder))
    assert_right(load_dataset("mnist", open_folder))


def test_data_folder_read_only_with_a_broken_archive_in_it(server, open_folder, read_only):
    folder = fill(open_folder)
    (folder / FIRST).write_bytes(b"cut")
    read_only(folder)
    assert "can't be used (Permission denied)" in refused(open_folder, SettingError)


def test_data_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "data").write_text("not a folder")
    assert refused(tmp_path / "data", SettingError, name="auto").startswith("data_dir: ")
    assert server.requested == []


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_folder_in_the_place_of_an_archive(server, tmp_path, name):
    (fill(tmp_path) / FIRST).unlink()
    (raw(tmp_path) / FIRST / "somebody's own").mkdir(parents=True)
    message = refused(tmp_path, SettingError, name=name)
    assert message == f"data_dir: '{raw(tmp_path) / FIRST}' is no file; remove it, and the archive is fetched"
    assert server.requested == []
    shutil.rmtree(raw(tmp_path) / FIRST)
    assert_later_call_succeeds(tmp_path, name=name)


def test_a_data_folder_that_is_nowhere_is_not_made_in_vain(server, tmp_path):
    server.lasting = "404"
    nowhere = tmp_path / "not" / "there"
    assert load_dataset("auto", nowhere).name == "digits"
    assert names_in(tmp_path) == set()
    with full_disk():
        server.lasting = "well"
        refused(nowhere, SettingError)
    assert names_in(tmp_path) == set()
    tmp_path.joinpath("not").mkdir()
    with full_disk():
        refused(nowhere, SettingError)
    assert names_in(tmp_path) == {"not"}, "only what was made is removed"
    assert_later_call_succeeds(nowhere)


def test_a_tilde_is_the_home_folder(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert_right(load_dataset("mnist", "~/data"))
    assert names_in(raw(tmp_path / "data")) == set(MNIST.files)


@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_the_home_folder_of_nobody(server, name):
    with pytest.raises(ValueError, match=r"^'~nosuchuser/data': [^\n]+$"):
        load_dataset(name, "~nosuchuser/data")


# --- several at once, and processes that are killed ---


def run_load(data_dir: Path, url: str, start, answers) -> None:
    """In a process of its own: wait for the start, load, and hand back the data or the error."""
    os.environ["no_proxy"] = "*"
    fault_server.publish("mnist", MNIST, [url])
    start.wait()
    try:
        answers.put(load_dataset("mnist", data_dir).train_images.numpy())
    except Exception as error:
        answers.put(repr(error))


def run_load_until_unpacking(data_dir: Path, url: str, start, answers) -> None:
    """In a process of its own: load, say when the first archive is to be unpacked, and then do nothing more."""

    def unpack(content: bytes) -> None:
        answers.put("unpacking")
        fault_server.time.sleep(600)

    gzip.decompress = unpack
    run_load(data_dir, url, start, answers)


def test_eight_at_once_fetch_each_archive_once(server, tmp_path):
    with ThreadPoolExecutor(8) as threads:
        for dataset in threads.map(lambda _: load_dataset("mnist", tmp_path), range(8)):
            assert_right(dataset)
    assert server.requested == list(MNIST.files)
    assert_later_call_succeeds(tmp_path)


def test_eight_at_once_in_vain_get_the_same_line_and_leave_nothing_behind(server, tmp_path):
    server.lasting = "404"
    with ThreadPoolExecutor(8) as threads:
        (message,) = set(threads.map(refused, [tmp_path / "data"] * 8))
    assert "answered 404" in message
    assert names_in(tmp_path) == set()


@pytest.mark.slow
def test_eight_processes_at_once_fetch_each_archive_once(server, tmp_path):
    start, answers = PROCESSES.Barrier(8), PROCESSES.Queue()
    arguments = (tmp_path, server.url, start, answers)
    processes = [PROCESSES.Process(target=run_load, args=arguments) for _ in range(8)]
    for process in processes:
        process.start()
    for _ in processes:
        np.testing.assert_array_equal(answers.get(timeout=120), MNIST.arrays[0])
    for process in processes:
        process.join()
    assert server.requested == list(MNIST.files)
    assert_later_call_succeeds(tmp_path)


@pytest.mark.slow
def test_process_killed_in_mid_download(server, tmp_path):
    server.faults = ["well", "well", "stall"]
    start, answers = PROCESSES.Barrier(1), PROCESSES.Queue()
    process = PROCESSES.Process(target=run_load, args=(tmp_path, server.url, start, answers))
    process.start()
    assert server.midway.wait(60), "the process never asked for the third archive"
    process.kill()
    process.join()
    names = list(MNIST.files)
    assert names_in(raw(tmp_path)) == set(names[:2]), "half a file is on the disk"
    assert_later_call_succeeds(tmp_path)
    assert server.requested == [*names[:3], *names[2:]], "what was verified isn't fetched twice"


@pytest.mark.slow
def test_process_killed_while_it_unpacks(server, tmp_path):
    start, answers = PROCESSES.Barrier(1), PROCESSES.Queue()
    process = PROCESSES.Process(target=run_load_until_unpacking, args=(tmp_path, server.url, start, answers))
    process.start()
    assert answers.get(timeout=60) == "unpacking"
    process.kill()
    process.join()
    assert_later_call_succeeds(tmp_path)
    assert server.requested == list(MNIST.files)


def test_what_killed_processes_left_is_gone_before_the_next_download_begins(server, tmp_path, monkeypatch):
    left = raw(tmp_path) / f".{FIRST}.a1b2c3.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(1000))
    seen, ask = [], download._ask

    def look_and_ask(url: str) -> object:
        seen.append(left.exists())
        return ask(url)

    monkeypatch.setattr(download, "_ask", look_and_ask)
    assert_later_call_succeeds(tmp_path)
    assert seen == [False] * 4, "leftovers would pile up and fill the disk"


def test_another_process_that_never_finishes(server, tmp_path, monkeypatch):
    with download._lock(raw(tmp_path)), monkeypatch.context() as hurried:
        hurried.setattr(download, "WAIT", 0.2)
        assert "another process has been fetching into it for 0.2 s" in refused(tmp_path)
    assert_later_call_succeeds(tmp_path)


@pytest.mark.parametrize(
    "where", [(download.Future, "result"), (urllib3.HTTPResponse, "read1")], ids=["asking", "reading"]
)
def test_a_keyboard_interrupt_passes_and_leaves_nothing_behind(server, tmp_path, monkeypatch, where):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(*where, interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_dataset("auto", tmp_path)
    assert names_in(tmp_path) == set()
    assert_later_call_succeeds(tmp_path)


# --- which mirror, which data set ---


@pytest.mark.parametrize("form", ["http://{}", "http://{}/", "HTTP://{}/", "http://teacher:secret@{}/mnist/"])
def test_the_given_mirror_is_asked_first(server, tmp_path, form):
    with FaultServer(MNIST.files) as mirror:
        assert_right(load_dataset("mnist", tmp_path, mirror=form.format(f"127.0.0.1:{mirror.server_port}")))
    assert mirror.requested == list(MNIST.files)
    assert server.requested == []


@pytest.mark.parametrize("mirror", NO_ADDRESS)
@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_mirror_that_is_no_address_is_refused_and_not_repeated_with_its_password(server, tmp_path, mirror, name):
    message = refused(tmp_path, SettingError, mirror=mirror, name=name)
    given = "no address" if ":" in mirror else f"'{mirror}'"
    assert message == f"mirror: got {given}; give the address of a folder, http://… or https://…"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", NOBODY_THERE)
def test_a_mirror_where_nobody_answers_is_named_and_the_published_ones_are_asked(server, tmp_path, kind):
    mirror = NOBODY_THERE[kind]
    host = mirror.removeprefix("http://").removeprefix("teacher:secret@").split("/")[0]
    server.lasting = "404"
    assert f"({host}: no connection; 127.0.0.1:{server.server_port}: answered 404)" in refused(tmp_path, mirror=mirror)
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path, mirror=mirror)


DEAD_PROXIES = {  # what stands in `http_proxy`, where {} is a port at which nobody answers, and what is shown of it
    "plain": ("http://{}", "{}"),
    "with a password": ("http://teacher:secret@{}/", "{}"),
    "with a slash in the password": ("http://teacher:sec/ret@{}", "(no address)"),
    "without a scheme": ("teacher:secret@{}", "{}"),
    "with a name that does not resolve": ("http://teacher:secret@proxy.invalid:3128", "proxy.invalid:3128"),
    "with a forgotten @": ("http://teacher:secret.proxy.invalid", "(no address)"),
}


@pytest.mark.parametrize("kind", DEAD_PROXIES)
def test_a_dead_proxy_is_named_without_its_password(server, tmp_path, monkeypatch, kind):
    closed = fault_server.closed_port()[7:-1]
    setting, shown = (text.format(closed) for text in DEAD_PROXIES[kind])
    monkeypatch.setenv("http_proxy", setting)
    monkeypatch.setenv("no_proxy", "")
    message = refused(tmp_path)
    assert f"(127.0.0.1:{server.server_port} through the proxy {shown}: no connection);" in message
    assert server.requested == []


@pytest.mark.parametrize("fault", ["403", "silence"])
def test_a_proxy_that_answers_but_fails_is_named_too(server, tmp_path, monkeypatch, fault):
    monkeypatch.setattr(download, "PATIENCE", 1.0)
    with FaultServer(MNIST.files) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        proxy.lasting = fault
        assert f" through the proxy 127.0.0.1:{proxy.server_port}: {FAULTS[fault][0]})" in refused(tmp_path)
        proxy.lasting = "well"
        assert_later_call_succeeds(tmp_path)
    assert server.requested == []


def test_nothing_is_read_beyond_the_size_of_an_archive(server, tmp_path, monkeypatch):
    monkeypatch.setitem(download.SIZES, "mnist", tuple(map(len, MNIST.files.values())))
    server.faults = ["no end"]
    assert_later_call_succeeds(tmp_path)
    assert server.requested == list(MNIST.files)


@pytest.mark.parametrize("name", ["mnist", "fashion", "kmnist", "qmnist"])
def test_the_whole_family_comes_through_the_same_code(tmp_path, monkeypatch, name):
    published = fault_server.make_archives(name)
    with FaultServer(published.files) as server:
        set_table(monkeypatch, name, published, [server.url])
        server.faults = ["503", "well", "truncated"]
        dataset = load_dataset(name, tmp_path)
    assert_right(dataset, published)
    assert dataset.name == name and len(dataset.class_names) == 10
    assert dataset.train_labels.dtype == data.torch.int64 and dataset.train_images.dtype == data.torch.uint8
    first, second, *others = published.files
    assert server.requested == [first, first, second, second, *others], "each fault costs one request more"


@pytest.mark.parametrize("name", download.FAMILY)
def test_the_published_table_is_whole(name):
    wanted, mirrors = download.archives(name)
    assert list(wanted) == list(fault_server.make_archives(name).files)
    assert all(len(md5) == 32 for md5, _ in wanted.values())
    assert mirrors and all(mirror.startswith("http") for mirror in mirrors)


def test_all_archives_of_qmnist_are_in_one_folder():
    resources = download.published("qmnist").resources
    assert len({url.rpartition("/")[0] for part in ("train", "test") for url, _ in resources[part]}) == 1


# --- auto ---


def test_auto_takes_mnist_if_it_can_be_had_and_else_the_embedded_digits_and_says_why(server, tmp_path):
    server.lasting = "403"
    dataset = load_dataset("auto", tmp_path)
    assert dataset.name == "digits" and len(dataset.train_images) == 1500
    assert "answered 403" in dataset.note and "\n" not in dataset.note
    server.lasting = "well"
    dataset = load_dataset("auto", tmp_path)
    assert_right(dataset)
    assert (dataset.name, dataset.note) == ("mnist", "")
