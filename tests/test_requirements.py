"""What is installed: pins within the ranges that `pyproject.toml` states, and a lock of everything they bring."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.settings import ROOT

LOCK = (ROOT / "requirements.lock.txt").read_text(encoding="utf-8")
ENTRIES = re.sub(r" *\\\n *", " ", LOCK).splitlines()  # a package and its hashes in one line
LOCKED = [entry.split()[0] for entry in ENTRIES if re.match(r"\w", entry)]
# Without the course itself, and with names as the lock writes them: jupyter_client is jupyter-client.
LINES = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
WANTED = [line.replace("_", "-").lower() for line in LINES if re.match(r"\w", line)]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RANGES = {canonicalize_name(each.name): each for each in map(Requirement, PROJECT["dependencies"])}


def test_the_pins_and_the_ranges_name_the_same_packages() -> None:
    assert sorted(RANGES) == sorted(wanted.partition("==")[0] for wanted in WANTED)


@pytest.mark.parametrize("wanted", WANTED)
def test_a_pin_is_in_its_range_and_the_range_has_an_oldest_version(wanted: str) -> None:
    name, _, pinned = wanted.partition("==")
    specifier = RANGES[name].specifier
    assert pinned in specifier
    assert ">=" in {part.operator for part in specifier}


def test_every_package_is_pinned_and_has_hashes() -> None:
    assert len(LOCKED) > len(WANTED) > 20
    for entry in ENTRIES:
        assert re.fullmatch(r"( *#.*)?|[\w.-]+==[\w.]+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+", entry)


@pytest.mark.parametrize("wanted", WANTED)
def test_the_lock_has_the_version_that_is_asked_for(wanted: str) -> None:
    name = wanted.partition("==")[0]
    found = [package for package in LOCKED if package.startswith(f"{name}==")]
    assert found == [wanted], "run the command in CONTRIBUTING.md"


def test_the_lock_names_no_host_and_no_folder_of_a_machine() -> None:
    assert not re.findall(r"://|index-url|find-links|trusted-host|file:|/\w+/\w+", LOCK)


def test_the_lock_was_written_by_the_command_that_is_documented_and_tells_its_date() -> None:
    (command,) = re.findall(r"^# +(uv pip compile .+ --exclude-newer 20\d\d-\d\d-\d\dT.+)$", LOCK, re.MULTILINE)
    assert f"\n{command}\n" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
