"""A local web server that fails on purpose: it stands for the mirrors in the tests of the downloads.

It serves small archives in MNIST's format from memory, on 127.0.0.1 and a free port:

    published = make_archives("mnist")
    with FaultServer(published.files) as server:
        publish("mnist", published, [server.url])  # or monkeypatch what `table` returns
        server.faults = ["500", "reset"]           # the first two requests fail so, later ones are well
        server.lasting = "silence"                 # and from then on every request fails so

No fault lasts for ever: a client without patience of its own gets a broken answer after `LONGEST` seconds.
"""

import gzip
import hashlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from helpers import download
from helpers.download import FAMILY

LONGEST = 20.0  # seconds; the comparison with torchvision sets more
DRIP = 1.0  # seconds from one byte to the next


@dataclass(frozen=True)
class Published:
    """A small data set as its makers would publish it.

    Attributes:
        files: packed content by file name, in the order of `helpers.download.archives`.
        arrays: what a reader must get: train images, train labels, test images, test labels.
    """

    files: dict[str, bytes]
    arrays: tuple[np.ndarray, ...]


def idx(array: np.ndarray) -> bytes:
    """Return `array` in the IDX format: uint8 as type 8, 32-bit integers (QMNIST's labels) as type 12."""
    kind, stored = (8, array.astype(np.uint8)) if array.dtype == np.uint8 else (12, array.astype(">i4"))
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + stored.tobytes()


def make_archives(name: str, train: int = 60, test: int = 20) -> Published:
    """Make a data set of noise under the file names of `name`; the same content at every call, in every process."""
    generator = np.random.default_rng(sorted(FAMILY).index(name))
    arrays, contents = [], []
    for count in (train, test):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = generator.integers(0, 10, count, dtype=np.uint8)
        stored = labels
        if name == "qmnist":  # eight columns: the class, then where the digit comes from
            stored = generator.integers(100, 1000, (count, 8), dtype=np.int32)
            stored[:, 0] = labels
        arrays += [images, labels]
        contents += [images, stored]
    packed = [gzip.compress(idx(content), mtime=0) for content in contents]
    return Published(dict(zip(_file_names(name), packed, strict=True)), tuple(arrays))


def _file_names(name: str) -> list[str]:
    if name == "qmnist":
        first, second, kinds = "qmnist-train", "qmnist-test", ("images-idx3-ubyte", "labels-idx2-int")
    else:
        first, second, kinds = "train", "t10k", ("images-idx3-ubyte", "labels-idx1-ubyte")
    return [f"{part}-{kind}.gz" for part in (first, second) for kind in kinds]


def table(name: str, published: Published, mirrors: list[str]) -> dict[str, object]:
    """Return the attributes that torchvision's class needs, to know these archives in place of the real ones."""
    checked = [(file_name, hashlib.md5(content).hexdigest()) for file_name, content in published.files.items()]
    if name == "qmnist":
        addressed = [(mirrors[0] + file_name, md5) for file_name, md5 in checked]
        return {"resources": {"train": addressed[:2], "test": addressed[2:]}}
    return {"resources": checked, "mirrors": mirrors}


def publish(name: str, published: Published, mirrors: list[str]) -> None:
    """Set the table for good: for a process that is there for one experiment. A test monkeypatches instead."""
    for attribute, value in table(name, published, mirrors).items():
        setattr(download.published(name), attribute, value)


def closed_port() -> str:
    """Return the address of a mirror where nobody listens, so that the connection is refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def no_such_host(host: str, *args: object, **kwargs: object) -> list:
    """Stand for `socket.getaddrinfo`: names under `.invalid` don't resolve, and no question leaves the machine."""
    if str(host).endswith(".invalid"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _getaddrinfo(host, *args, **kwargs)


_getaddrinfo = socket.getaddrinfo


class FaultServer(ThreadingHTTPServer):
    """The server, running in threads of its own while the `with` block lasts.

    Attributes:
        url: address of the folder with the archives.
        faults: names of faults, one for each request to come; taken from the front.
        lasting: name of the fault for every request after those; `well` is none.
        elsewhere: where the fault `redirect` leads, an address that ends with a slash.
        requested: file names, in the order of the requests.
        midway: set once the first half of a file was sent and the rest is held back, by the fault `stall`.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, files: dict[str, bytes], tls: ssl.SSLContext | None = None):
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}/"
        self.files = files
        self.faults: list[str] = []
        self.lasting = "well"
        self.elsewhere = ""
        self.requested: list[str] = []
        self.midway, self.closing, self.turn = threading.Event(), threading.Event(), threading.Lock()

    def next_fault(self, file_name: str) -> str:
        with self.turn:
            self.requested.append(file_name)
            return self.faults.pop(0) if self.faults else self.lasting

    def __enter__(self) -> "FaultServer":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """Say nothing when a client hangs up: that is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: FaultServer

    def do_GET(self) -> None:
        file_name = self.path.rpartition("/")[2]
        fault = self.server.next_fault(file_name)
        with suppress(ConnectionError):
            FAULTS[fault](self, self.server.files.get(file_name, b""))

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def begin(self, length: int, content_type: str = "application/gzip") -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def hold(self) -> None:
        self.server.closing.wait(LONGEST)

    def drip(self, content: bytes) -> None:
        """Send one byte every `DRIP` seconds, until it has been long enough."""
        for position in range(min(int(LONGEST / DRIP), len(content))):
            self.wfile.write(content[position : position + 1])
            if self.server.closing.wait(DRIP):
                return


def _well(handler: _Handler, content: bytes) -> None:
    handler.begin(len(content))
    handler.wfile.write(content)


def _status(code: int) -> Callable[[_Handler, bytes], None]:
    return lambda handler, content: handler.send_error(code)


def _silence(handler: _Handler, content: bytes) -> None:
    handler.hold()


def _drip(handler: _Handler, content: bytes) -> None:
    handler.begin(len(content))
    handler.drip(content)


def _slow_down(handler: _Handler, content: bytes) -> None:
    handler.begin(len(content))
    half = len(content) // 2
    handler.wfile.write(content[:half])
    handler.drip(content[half:])


def _slow(handler: _Handler, content: bytes) -> None:
    """Send 1,000 bytes five times a second: never silent, and in the long run the whole file."""
    handler.begin(len(content))
    for start in range(0, len(content), 1000):
        handler.wfile.write(content[start : start + 1000])
        if handler.server.closing.wait(0.2):
            return


def _drip_header(handler: _Handler, content: bytes) -> None:
    handler.drip(b"HTTP/1.0 200 OK\r\nContent-Type: application/gzip\r\n")


def _reset(handler: _Handler, content: bytes) -> None:
    """Send half, then let the operating system reset the connection instead of closing it in order."""
    handler.begin(len(content))
    handler.wfile.write(content[: len(content) // 2])
    time.sleep(0.2)  # the client shall have read it: a reset throws away what lies unread
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def _cut_off(handler: _Handler, content: bytes) -> None:
    handler.begin(len(content))
    handler.wfile.write(content[: len(content) // 2])


def _truncated(handler: _Handler, content: bytes) -> None:
    _well(handler, content[: len(content) // 2])


def _wrong_bytes(handler: _Handler, content: bytes) -> None:
    """Serve an archive that unpacks well and has the right length and shape, but not the published pixels."""
    _well(handler, tampered(content))


def tampered(content: bytes) -> bytes:
    """Return a valid archive of the same length whose last value differs from the one in `content`."""
    inner = bytearray(gzip.decompress(content))
    for change in range(1, 256):
        inner[-1] ^= change
        packed = gzip.compress(bytes(inner), mtime=0)
        if len(packed) == len(content):
            return packed
        inner[-1] ^= change
    raise AssertionError("no such archive; change another byte")


def _log_in_page(handler: _Handler, content: bytes) -> None:
    page = b"<!doctype html><title>Log in</title><p>Welcome to the school's network. Who are you?"
    handler.begin(len(page), "text/html")
    handler.wfile.write(page)


def _redirect(handler: _Handler, content: bytes) -> None:
    handler.send_response(302)
    handler.send_header("Location", handler.server.elsewhere + handler.path.rpartition("/")[2])
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _stall(handler: _Handler, content: bytes) -> None:
    handler.begin(len(content))
    handler.wfile.write(content[: len(content) // 2])
    time.sleep(0.2)  # so that the client has written what it got
    handler.server.midway.set()
    handler.hold()


def _no_end(handler: _Handler, content: bytes) -> None:
    """Send the file, and then zeros; `endless` sends zeros alone."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline and not handler.server.closing.is_set():
        handler.wfile.write(bytes(1 << 16))


FAULTS: dict[str, Callable[[_Handler, bytes], None]] = {
    "well": _well,
    "403": _status(403),
    "404": _status(404),
    "500": _status(500),
    "503": _status(503),
    "silence": _silence,
    "drip": _drip,
    "drip in mid-file": _slow_down,
    "drip in the header": _drip_header,
    "5 kB a second": _slow,
    "reset": _reset,
    "cut off": _cut_off,
    "truncated": _truncated,
    "wrong bytes": _wrong_bytes,
    "log-in page": _log_in_page,
    "redirect": _redirect,
    "stall": _stall,
    "endless": lambda handler, content: _no_end(handler, b""),
    "no end": _no_end,
}
