"""The sandbox in which students' code runs: no network, nothing to read but Python, nothing to write but its scratch.

Each kind holds the same contract, and says so before it is used: it starts `course.grade.worker` beside a copy of the
few files that an answer may need (`stage`), and ends with everything in it when its process is killed. What a process
takes, the worker limits by itself before it has seen an answer; what all of them take together is watched from here.
"""

import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from course.grade.wire import Channel
from helpers import settings

KINDS = ("bubblewrap", "docker", "podman", "none")
SCRATCH = 64_000_000  # bytes of files, in memory
TOGETHER = 3_000_000_000  # bytes of memory for all processes of a sandbox
IMAGE = "mnist-course-sandbox"  # of Docker and Podman; not the learners', which holds the solutions
NO_IMAGE = ("no such image", "image not known")  # as Docker and Podman say it
TRUST = "--trust to run students' code with your permissions, so it can read and delete your files"
# Of the course, what an answer may import or read; no check, no solution, no other submission.
STAGED = (
    "course/__init__.py", "course/grade/__init__.py", "course/grade/wire.py", "course/grade/worker.py",
    *(f"course/exercises/{name}.py" for name in ("calls", "errors", "guard", "notebook", "trials", "values")),
)  # fmt: skip
NO_CHECKS = '''"""In a sandbox there are no checks; a cell that calls them goes on."""


def check(*given: object, **more: object) -> None:
    """Do nothing."""


card = compare_guess = quiz = check
'''


def choose(kind: str | None) -> str:
    """Return the kind of sandbox to use, which works on this machine.

    Raises:
        ValueError: there is none, or not the one that was asked for; one line that names the way out.
    """
    if kind == "none":
        return kind
    wanted = kind or "bubblewrap"
    reason = why_not(wanted)
    if reason:
        raise ValueError(f"sandbox: {wanted} {reason}; {way_out(wanted)}")
    return wanted


def way_out(failed: str) -> str:
    """Return what else can be done where a kind of sandbox doesn't work: nothing that needs Linux on other systems."""
    linux, installed = sys.platform == "linux", shutil.which("bwrap") is not None
    ways = ["install bubblewrap (apt install bubblewrap)"] if linux and not installed else []
    others = [*(["bubblewrap"] if linux and installed else []), "docker", "podman"]
    if sys.platform != "win32":
        ways.append(f"give --sandbox {next(kind for kind in others if kind != failed)}")
    ways.append(TRUST if linux else "grade on Linux (on Windows, in WSL)")
    return ", or ".join(ways)


def why_not(kind: str) -> str:
    """Return why a kind of sandbox can't be used here; nothing if it can."""
    program = shutil.which("bwrap" if kind == "bubblewrap" else kind)
    if program is None:
        return "isn't installed"
    if kind == "bubblewrap":
        known = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
        if "--size" not in known.stdout + known.stderr:
            return "is older than 0.7 and can't limit files"
        words = [*_namespaces(program), *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"), "true"]
    else:
        words = [program, "image", "inspect", IMAGE]
    tried = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if tried.returncode == 0:
        return ""
    if kind != "bubblewrap" and any(words in tried.stderr.lower() for words in NO_IMAGE):
        return f"has no image {IMAGE}; docs/grading.md says how to build it"
    said = (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]
    return f"doesn't work here ({said[:120]})"


@contextmanager
def stage() -> Iterator[Path]:
    """Make a folder with what the worker needs of the course, for the time of the `with` block."""
    with tempfile.TemporaryDirectory(prefix="mnist-course-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        for name in STAGED:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(settings.CODE / name, folder / name)
        (folder / "course/exercises/__init__.py").write_text(NO_CHECKS, encoding="utf-8")
        leave_out = shutil.ignore_patterns("__pycache__", "reference")
        for part in (settings.CODE / "helpers", settings.FILES / "results"):
            if part.is_dir():
                shutil.copytree(part, folder / part.name, ignore=leave_out)
        (folder / "notebooks").mkdir()  # by which the course knows its root
        os.chmod(folder, 0o755)
        yield folder


class Sandbox:
    """One sandbox with a worker in it, which speaks through two pipes."""

    def __init__(self, kind: str, staged: Path):
        self.kind, self.name = kind, f"mnist-course-{uuid.uuid4().hex}"
        words, cleared = _words(kind, staged, self.name), {"PATH": os.environ.get("PATH", os.defpath)}
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=staged,
            env=cleared | (_environment(staged, Path(tempfile.gettempdir())) if kind == "none" else {}),
        )

    def channel(self) -> Channel:
        """Return what speaks with the worker."""
        return Channel(self.process.stdout.fileno(), self.process.stdin.fileno())  # type: ignore[union-attr]  # pipes

    def processes(self) -> list[psutil.Process]:
        """Return all processes in it; none where the kind of sandbox counts them itself."""
        with suppress(psutil.Error):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def memory(self) -> int:
        """Return how much memory all its processes take, in bytes."""
        total = 0
        for process in self.processes():
            with suppress(psutil.Error):
                total += process.memory_info().rss
        if total <= TOGETHER:
            return total
        total = 0  # what several share was counted several times
        for process in self.processes():
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total

    def end(self) -> None:
        """End every process in it."""
        if self.kind in ("docker", "podman"):
            subprocess.run([self.kind, "kill", self.name], capture_output=True, check=False)
        left = self.processes() if self.kind == "none" else []  # elsewhere all end with the first
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # it is a pipe
        self.process.wait()


def _words(kind: str, staged: Path, name: str) -> list[str]:
    """Return the command that starts a worker in a sandbox."""
    worker = ["-s", "-m", "course.grade.worker"]
    if kind == "none":
        return [sys.executable, *worker]
    if kind != "bubblewrap":
        return [
            *(kind, "run", "--rm", "--interactive", "--init", "--name", name, "--network", "none", "--read-only"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534:65534", "--ipc", "none"),
            *("--memory", str(TOGETHER), "--memory-swap", str(TOGETHER), "--pids-limit", "64", "--cpus", "1"),
            *("--tmpfs", f"/tmp:rw,noexec,nosuid,nodev,size={SCRATCH},mode=1777"),
            *("--mount", f"type=bind,source={staged},target=/course,readonly", "--workdir", "/tmp"),
            *(word for pair in _environment(Path("/course")).items() for word in ("--env", "=".join(pair))),
            *(IMAGE, "timeout", "--signal=KILL", "600", "python", *worker),
        ]
    root = os.geteuid() == 0
    words = [*_namespaces(shutil.which("bwrap") or "bwrap"), "--clearenv"]
    for part in ("bin", "sbin", "lib", "lib64"):
        path = Path("/") / part
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            words += ["--ro-bind", str(path), str(path)]
    words += ["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    words += ["--ro-bind-try", "/etc/alternatives", "/etc/alternatives"]
    size = ["--perms", "1777", "--size", str(SCRATCH), "--tmpfs"]
    words += [*size, "/tmp"]  # before Python, whose environment may be in /tmp
    for python in _of_python():
        for parent in reversed(Path(python).parents[:-1]):  # which would be root's alone
            words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--ro-bind", python, python]
    words += ["--ro-bind", str(staged), "/course", "--proc", "/proc", "--dev", "/dev"]
    words += [*size, "/dev/shm", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
    for pair in _environment(Path("/course")).items():
        words += ["--setenv", *pair]
    user = [str(61184 + os.getpid() % 4000)] if root else []  # nobody's number; a number of processes goes by user
    return [*words, "--", sys.executable, *worker, *user]


def _namespaces(program: str) -> list[str]:
    """Return the beginning of bubblewrap's command: its own processes, network, users, and none of the terminal."""
    apart = ["--unshare-all"]
    if os.geteuid() == 0:  # a user namespace would hold root alone, whom no limit of processes stops
        apart = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        apart += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return [program, *apart, "--die-with-parent", "--new-session"]


def _of_python() -> list[str]:
    """Return the folders of Python and its packages that are not in /usr."""
    folders = {Path(path).absolute() for path in (sys.prefix, sys.base_prefix, site.getusersitepackages())}
    outside = [path for path in folders if path.is_dir() and not path.is_relative_to("/usr")]
    return sorted(str(path) for path in outside if not any(other in path.parents for other in outside))


def _environment(course: Path, scratch: Path = Path("/tmp")) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(scratch),
        "USER": "student",
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(course),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(scratch),
        "CUDA_VISIBLE_DEVICES": "",
    }
