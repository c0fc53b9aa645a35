"""The ways into the course that need a file: the image, and what is built from it."""

import json
import re

from helpers.settings import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_works_as_nobody_special_and_names_no_index_of_packages() -> None:
    steps = re.findall(r"^(FROM|RUN|USER|EXPOSE|CMD) (.*)", DOCKERFILE, re.MULTILINE)
    assert [step for step, _ in steps][-3:] == ["USER", "EXPOSE", "CMD"]  # nothing runs as root after USER
    assert dict(steps)["USER"] == "${NB_USER}"  # what Binder sets
    assert dict(steps)["EXPOSE"] in dict(steps)["CMD"]
    assert "://" not in DOCKERFILE


def test_the_image_installs_with_the_uv_that_we_use() -> None:
    (uv,) = re.findall(r"uv==[\d.]+", DOCKERFILE)
    assert f"\n{uv}\n" in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")


def test_a_development_container_is_the_image() -> None:
    folder = ROOT / ".devcontainer"
    built = json.loads((folder / "devcontainer.json").read_text(encoding="utf-8"))["build"]
    assert (folder / built["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (folder / built["context"]).resolve() == ROOT
