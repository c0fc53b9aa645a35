"""Whatever a mirror, a disk or a neighbour does: right data or one clear line, and a later call succeeds.

`fault_server.py` stands for the mirrors. docs/downloads.md holds the promise, and row by row what
`torchvision.datasets.MNIST(download=True)` does with the same server; `compare_torchvision.py` measures it.
No test reads a clock: a download that never gave up would end in another message, since no fault lasts for ever.
"""

import errno
import gzip
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fault_server
import numpy as np
import pytest
import trustme
from fault_server import FaultServer, Published
from filelock import FileLock

from helpers import data, download
from helpers.data import load_dataset
from helpers.download import DataError, SettingError

MNIST = fault_server.make_archives("mnist")
FIRST = "train-images-idx3-ubyte.gz"  # the first archive that is asked for
# Processes that import the course once and then fork are ready in no time; Windows has no such thing.
PROCESSES = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
PROCESSES.set_forkserver_preload(["fault_server", "helpers.data"])


@pytest.fixture(autouse=True)
def nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the local server directly, even where a proxy leads to the web, and again without a pause."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "PAUSE", 0.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """The only mirror of a small MNIST."""
    with FaultServer(MNIST.files) as server:
        set_table(monkeypatch, "mnist", MNIST, [server.url])
        yield server


def set_table(monkeypatch: pytest.MonkeyPatch, name: str, published: Published, mirrors: list[str]) -> None:
    for attribute, value in fault_server.table(name, published, mirrors).items():
        monkeypatch.setattr(download.FAMILY[name], attribute, value)


def raw(data_dir: Path, family: str = "MNIST") -> Path:
    return data_dir / family / "raw"


def fill(data_dir: Path, files: dict[str, bytes] = MNIST.files) -> Path:
    """Put archives where a good download puts them, and return that folder."""
    raw(data_dir).mkdir(parents=True)
    for name, content in files.items():
        (raw(data_dir) / name).write_bytes(content)
    return raw(data_dir)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def assert_later_call_succeeds(data_dir: Path, published: Published = MNIST, **asked: object) -> None:
    """The fault is gone: the same call brings the right data and leaves the four archives, nothing half-done."""
    assert_right(load_dataset(**{"name": "mnist", "data_dir": data_dir, **asked}), published)
    left = {path.name for path in (data_dir / "MNIST" / "raw").iterdir()} - {".lock"}
    assert left == set(published.files)


# --- what stands there already -------------------------------------------------------------------------------------


def test_a_good_mirror_is_asked_once_for_each_archive_and_then_never_again(server, tmp_path):
    assert_later_call_succeeds(tmp_path)
    assert server.requested == list(MNIST.files)
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


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"",
    ],
    ids=["truncated", "bit-flipped", "emptied"],
)
def test_extracted_files_that_torchvision_left_are_not_read(server, tmp_path, damage):
    folder = fill(tmp_path)
    for name, content in MNIST.files.items():
        (folder / name.removesuffix(".gz")).write_bytes(damage(gzip.decompress(content)))
    assert_right(load_dataset("mnist", tmp_path))


# --- a mirror that fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words", "requests"),
    [
        ("403", "answered 403", 1),
        ("404", "answered 404", 1),
        ("500", "answered 500", 2),
        ("503", "answered 503", 2),
        ("reset", "broke off in mid-file", 2),
        ("cut off", "broke off in mid-file", 2),
        ("truncated", "wrong checksum", 2),
        ("wrong bytes", "wrong checksum", 2),
        ("log-in page", "sent a web page in place of the file, perhaps to log in", 1),
    ],
)
def test_a_mirror_that_keeps_failing_makes_one_clear_line(server, tmp_path, fault, words, requests):
    server.lasting = fault
    message = refused(tmp_path)
    assert words in message and f"127.0.0.1:{server.server_port}" in message
    assert message.count(words) == 1, "the same fault is told once"
    assert server.requested == [FIRST] * requests, "asked again only where that can help"
    assert set(contents(raw(tmp_path))) <= {".lock"}
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path)


@pytest.mark.parametrize("fault", ["500", "503", "reset", "cut off", "truncated", "wrong bytes"])
def test_a_mirror_that_fails_once_and_then_is_well_gives_the_data(server, tmp_path, fault):
    server.faults = [fault]
    assert_later_call_succeeds(tmp_path)
    assert server.requested == [FIRST, *MNIST.files]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("silence", "no answer in 2 s"),
        ("drip in the header", "no answer in 2 s"),
        ("drip", "sends only"),
        ("stall", "silent for 2 s in mid-file"),
    ],
)
def test_a_mirror_that_keeps_us_waiting_is_given_up(server, tmp_path, monkeypatch, fault, words):
    server.lasting = fault
    with monkeypatch.context() as hurried:
        hurried.setattr(download, "PATIENCE", 2.0)
        assert words in refused(tmp_path)
    assert server.requested == [FIRST], "not asked again: that would double the wait"
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path)


def test_a_file_without_end_is_given_up(server, tmp_path, monkeypatch):
    server.lasting = "endless"
    with monkeypatch.context() as small:
        small.setattr(download, "LARGEST", 1 << 20)
        assert "sends more than any archive has" in refused(tmp_path)
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path)


def test_connection_refused(server, tmp_path, monkeypatch):
    with monkeypatch.context() as closed:
        set_table(closed, "mnist", MNIST, [fault_server.closed_port()])
        assert "no connection" in refused(tmp_path)
    assert_later_call_succeeds(tmp_path)


def test_a_name_that_does_not_resolve(server, tmp_path, monkeypatch):
    with monkeypatch.context() as unknown:
        unknown.setattr(socket, "getaddrinfo", fault_server.no_such_host)
        set_table(unknown, "mnist", MNIST, ["http://mirror.invalid/mnist/"])
        assert "mirror.invalid: no connection" in refused(tmp_path)
    assert_later_call_succeeds(tmp_path)


def test_without_a_network_the_line_says_which_files_go_where_and_how_to_set_a_mirror(tmp_path, monkeypatch):
    set_table(monkeypatch, "mnist", MNIST, [fault_server.closed_port()])
    message = refused(tmp_path)
    assert all(name in message for name in MNIST.files)
    assert f"into {raw(tmp_path)}" in message
    assert "python -m course data --mirror URL" in message


def test_files_that_are_there_are_not_asked_for_in_that_line(server, tmp_path):
    (fill(tmp_path) / FIRST).unlink()
    server.lasting = "404"
    message = refused(tmp_path)
    assert FIRST in message and not any(name in message for name in list(MNIST.files)[1:])


@pytest.mark.parametrize("fault", ["404", "reset", "wrong bytes", "log-in page"])
def test_first_mirror_down_second_well(server, tmp_path, monkeypatch, fault):
    with FaultServer(MNIST.files) as broken:
        broken.lasting = fault
        set_table(monkeypatch, "mnist", MNIST, [broken.url, server.url])
        assert_later_call_succeeds(tmp_path)
    assert set(broken.requested) == {FIRST}, "a mirror that failed isn't asked first again"
    assert server.requested == list(MNIST.files)


def test_a_silent_first_mirror_costs_patience_once_and_not_for_each_archive(server, tmp_path, monkeypatch):
    with FaultServer(MNIST.files) as silent:
        silent.lasting = "silence"
        monkeypatch.setattr(download, "PATIENCE", 2.0)
        set_table(monkeypatch, "mnist", MNIST, [silent.url, server.url])
        assert_later_call_succeeds(tmp_path)
    assert silent.requested == [FIRST]


def test_every_mirror_that_failed_is_named(server, tmp_path, monkeypatch):
    server.lasting = "404"
    closed = fault_server.closed_port()
    set_table(monkeypatch, "mnist", MNIST, [closed, server.url])
    message = refused(tmp_path)
    assert f"{closed.split('/')[2]}: no connection; 127.0.0.1:{server.server_port}: answered 404" in message


# --- redirects ------------------------------------------------------------------------------------------------------


@pytest.fixture
def secure(server, tmp_path, monkeypatch) -> Iterator[FaultServer]:
    """A mirror that speaks https, with a certificate that is trusted here; the only one in the table."""
    authority = trustme.CA()
    context = fault_server.ssl.SSLContext(fault_server.ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    with FaultServer(MNIST.files, context) as secure:
        set_table(monkeypatch, "mnist", MNIST, [secure.url])
        yield secure


def test_https_works(secure, server, tmp_path):
    assert_later_call_succeeds(tmp_path / "data")
    assert server.requested == []


def test_a_redirect_from_https_to_http_is_refused(secure, server, tmp_path):
    secure.lasting, secure.elsewhere = "redirect", server.url
    assert "redirect from https to http refused" in refused(tmp_path / "data")
    assert server.requested == [], "nothing may be sent in the clear"
    secure.lasting = "well"
    assert_later_call_succeeds(tmp_path / "data")


def test_a_redirect_from_https_to_https_is_followed(secure, tmp_path):
    secure.faults, secure.elsewhere = ["redirect"], secure.url
    assert_later_call_succeeds(tmp_path / "data")


def test_a_redirect_in_a_circle_ends(server, tmp_path):
    server.lasting, server.elsewhere = "redirect", server.url
    assert "redirects again and again" in refused(tmp_path)
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path)


def test_a_redirect_to_nowhere(server, tmp_path):
    server.lasting, server.elsewhere = "redirect", "http://[half/"
    assert "no connection" in refused(tmp_path)
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path)


def test_an_untrusted_certificate_is_told_from_a_missing_connection(secure, tmp_path, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "certificate not trusted here" in refused(tmp_path / "data")


# --- a disk that fails ----------------------------------------------------------------------------------------------


@contextmanager
def stand_in(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Files that take 10,000 bytes and then say what a full disk says; works everywhere."""

    def opened(path: str, mode: str):
        file = open(path, mode)  # noqa: SIM115 (closed below)
        write = file.write

        class Full:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def write(self, content):
                if file.tell() + len(content) > 10_000:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return write(content)

        return Full()

    with monkeypatch.context() as full:
        full.setattr(download, "open", opened, raising=False)
        yield


@contextmanager
def size_limit(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operating system itself refuses files above 10,000 bytes: a quota that needs no rights to set."""
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk of 32 KiB, in memory; the larger one that follows is another disk in the same place."""
    data_dir.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root on Linux may mount a small disk; the other two stand for it")
    command = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(data_dir)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this container may not mount a small disk; the other two stand for it")
    try:
        yield
    finally:
        subprocess.run(["umount", str(data_dir)], check=True)


@pytest.mark.parametrize("full_disk", [stand_in, size_limit, small_disk])
@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_disk_full(server, tmp_path, monkeypatch, full_disk, name):
    with full_disk(tmp_path / "data", monkeypatch):
        message = refused(tmp_path / "data", SettingError, name=name)
        assert set(contents(raw(tmp_path / "data"))) <= {".lock"}, "the space is given back"
    assert message.startswith("data_dir: ") and "is full" in message
    assert_later_call_succeeds(tmp_path / "data", name=name)


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """A function that takes the right to write away from a folder, and from us the right to do so nevertheless."""
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
    message = refused(open_folder, SettingError, name=name)
    assert message.startswith(f"data_dir: '{open_folder}' can't be read and written (Permission denied)")
    assert server.requested == [], "nothing is fetched that can't be kept"


def test_data_folder_read_only_with_the_archives_in_it(server, open_folder, read_only):
    read_only(fill(open_folder))
    assert_right(load_dataset("mnist", open_folder))


def test_data_folder_read_only_with_a_broken_archive_in_it(server, open_folder, read_only):
    folder = fill(open_folder)
    (folder / FIRST).write_bytes(b"cut")
    read_only(folder)
    assert "can't be read and written" in refused(open_folder, SettingError)


def test_data_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "data").write_text("not a folder")
    assert refused(tmp_path / "data", SettingError, name="auto").startswith("data_dir: ")


# --- several processes ----------------------------------------------------------------------------------------------


def run_load(data_dir: Path, url: str, start, answers) -> None:
    """In a process of its own: wait for the start, load, and hand back the data or the error."""
    os.environ["no_proxy"] = "*"
    fault_server.publish("mnist", MNIST, [url])
    start.wait()
    try:
        answers.put(load_dataset("mnist", data_dir).train_images.numpy())
    except Exception as error:
        answers.put(repr(error))


def run_load_until_unpacking(data_dir: Path, url: str, unpacking) -> None:
    """In a process of its own: load, and stand still as soon as the first archive is to be unpacked."""

    def stand_still(content: bytes) -> None:
        unpacking.set()
        fault_server.time.sleep(600)

    os.environ["no_proxy"] = "*"
    fault_server.publish("mnist", MNIST, [url])
    gzip.decompress = stand_still
    load_dataset("mnist", data_dir)


def test_process_killed_in_mid_download(server, tmp_path):
    server.faults = ["well", "well", "stall"]
    start, answers = PROCESSES.Barrier(1), PROCESSES.Queue()
    process = PROCESSES.Process(target=run_load, args=(tmp_path, server.url, start, answers))
    process.start()
    assert server.midway.wait(60), "the process never asked for the third archive"
    process.kill()
    process.join()
    third, half = "t10k-images-idx3-ubyte.gz", contents(raw(tmp_path) / ".partial")
    assert [len(content) for content in half.values()] == [len(MNIST.files[third]) // 2], "killed at another moment"
    assert third not in contents(raw(tmp_path)), "half a file must not have the name of a whole one"
    assert_later_call_succeeds(tmp_path)
    assert server.requested == [*list(MNIST.files)[:3], *list(MNIST.files)[2:]], "what was verified isn't fetched twice"


def test_what_killed_processes_left_is_gone_before_the_next_download_begins(server, tmp_path, monkeypatch):
    left = raw(tmp_path) / ".partial" / "tmp_of_a_killed_process"
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(1000))
    seen, ask = [], download._open

    def look_and_ask(url: str) -> object:
        seen.append(left.exists())
        return ask(url)

    monkeypatch.setattr(download, "_open", look_and_ask)
    assert_later_call_succeeds(tmp_path)
    assert seen == [False] * 4, "leftovers would pile up and fill the disk"


def test_process_killed_while_it_unpacks(server, tmp_path):
    unpacking = PROCESSES.Event()
    process = PROCESSES.Process(target=run_load_until_unpacking, args=(tmp_path, server.url, unpacking))
    process.start()
    assert unpacking.wait(60), "the process never began to unpack"
    process.kill()
    process.join()
    assert_later_call_succeeds(tmp_path)
    assert server.requested == list(MNIST.files)


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


def test_another_process_that_never_finishes(server, tmp_path, monkeypatch):
    raw(tmp_path).mkdir(parents=True)
    with FileLock(raw(tmp_path) / ".lock"), monkeypatch.context() as hurried:
        hurried.setattr(download, "WAIT", 0.2)
        assert "another process has been fetching into it for 0.2 s" in refused(tmp_path)
    assert_later_call_succeeds(tmp_path)


@pytest.mark.parametrize("where", [(download.Future, "result"), (download, "_chunks")], ids=["asking", "reading"])
def test_a_keyboard_interrupt_passes_and_leaves_nothing_behind(server, tmp_path, monkeypatch, where):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(*where, interrupt)
        with pytest.raises(KeyboardInterrupt):
            load_dataset("auto", tmp_path)
    assert set(contents(raw(tmp_path))) <= {".lock"}
    assert_later_call_succeeds(tmp_path)


# --- which mirror, which data set -----------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"], ids=["without slash", "with slash"])
def test_the_given_mirror_is_asked_first(server, tmp_path, slash):
    with FaultServer(MNIST.files) as mirror:
        assert_right(load_dataset("mnist", tmp_path, mirror=mirror.url.rstrip("/") + slash))
    assert mirror.requested == list(MNIST.files)
    assert server.requested == []


def test_a_given_mirror_that_fails_is_followed_by_the_published_ones(server, tmp_path):
    assert_later_call_succeeds(tmp_path, mirror=fault_server.closed_port())


@pytest.mark.parametrize("mirror", ["/media/stick/mnist", "ftp://127.0.0.1/mnist/", "127.0.0.1:8000", "http://"])
@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_a_mirror_that_is_no_address(server, tmp_path, mirror, name):
    message = refused(tmp_path, SettingError, mirror=mirror, name=name)
    assert message == f"mirror: got '{mirror}'; give the address of a folder, http://… or https://…"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mirror", ["http://two..dots/", "http://[half/", f"http://{64 * 'a'}/"])
def test_a_mirror_whose_name_cannot_be_right(server, tmp_path, mirror):
    server.lasting = "404"
    assert f"{mirror.split('/')[2]}: no connection; " in refused(tmp_path, mirror=mirror)
    server.lasting = "well"
    assert_later_call_succeeds(tmp_path, mirror=mirror)


def test_a_password_in_the_mirror_is_not_repeated(server, tmp_path):
    server.lasting = "404"
    closed = fault_server.closed_port().replace("http://", "http://teacher:secret@")
    assert "secret" not in refused(tmp_path, mirror=closed)


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


def test_the_published_table_is_whole():
    for name in download.FAMILY:
        wanted = download.archives(name)
        assert [archive.name for archive in wanted] == list(fault_server.make_archives(name).files)
        assert all(len(archive.md5) == 32 and archive.mirrors for archive in wanted)
        assert all(mirror.startswith("http") for archive in wanted for mirror in archive.mirrors)


# --- auto -----------------------------------------------------------------------------------------------------------


def test_auto_takes_mnist_if_it_can_be_had(server, tmp_path):
    dataset = load_dataset("auto", tmp_path)
    assert_right(dataset)
    assert (dataset.name, dataset.note) == ("mnist", "")


def test_auto_falls_back_on_the_embedded_digits_and_says_why(server, tmp_path):
    server.lasting = "403"
    dataset = load_dataset("auto", tmp_path)
    assert dataset.name == "digits" and len(dataset.train_images) == 1500
    assert "answered 403" in dataset.note and "\n" not in dataset.note
    server.lasting = "well"
    assert load_dataset("auto", tmp_path).name == "mnist"
