"""The lock: each package that `requirements.txt` brings, pinned and with hashes, from wherever people fetch theirs."""

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.settings import ROOT

LOCK = (ROOT / "requirements.lock.txt").read_text(encoding="utf-8")
ENTRIES = re.sub(r" *\\\n *", " ", LOCK).splitlines()  # a package and its hashes in one line
LOCKED = [Requirement(entry.partition(" --hash=")[0]) for entry in ENTRIES if entry and entry.strip()[0] != "#"]
WANTED = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
WANTED = [Requirement(line) for line in WANTED if re.match(r"\w", line)]  # not the comments, nor the course itself


def test_every_package_is_pinned_and_has_hashes() -> None:
    assert len(LOCKED) > len(WANTED) > 20
    for entry in ENTRIES:
        assert re.fullmatch(r"( *#.*)?|[\w.-]+==[\w.]+( ; [^#]+?)?( --hash=sha256:[0-9a-f]{64})+", entry)


@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_the_lock_has_the_version_that_is_asked_for(wanted: Requirement) -> None:
    versions = [each.specifier for each in LOCKED if canonicalize_name(each.name) == canonicalize_name(wanted.name)]
    assert versions == [wanted.specifier], "run the command in CONTRIBUTING.md"


def test_the_lock_names_no_host_and_no_folder_of_a_machine() -> None:
    assert not re.findall(r"://|index-url|find-links|trusted-host|file:|/\w+/\w+", LOCK)


def test_the_lock_was_written_by_the_command_that_is_documented_and_tells_its_date() -> None:
    (command,) = re.findall(r"^# +(uv pip compile .+ --exclude-newer 20\d\d-\d\d-\d\dT.+)$", LOCK, re.MULTILINE)
    assert f"\n{command}\n" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
