"""Another data set by one parameter: the chapters on FashionMNIST, KMNIST and QMNIST.

The archives are small ones, made here in the published format and served by a server on this machine; everything else,
from file names to class names, is torchvision's. Fashion goes through training and evaluation in kernels of their own,
as a teacher runs them. The other chapters, and what is rare (no mistake at all, a class that is never predicted), run
their cells in here.
"""

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import fault_server
import nbformat
import numpy as np
import pytest
import torch
from fault_server import FaultServer, Published
from IPython.display import HTML

from course import chapters
from helpers import checkpoint, data, download, plotting, training
from helpers.model import MNISTClassification
from helpers.results import load_record, save_record

NAMES = {
    "fashion": "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot",
    "kmnist": "o, ki, su, tsu, na, ha, ma, ya, re, wo",
    "qmnist": "0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
}
TITLES = {"fashion": "FashionMNIST", "kmnist": "KMNIST", "qmnist": "QMNIST"}
CHAPTERS = ["03", "04"]  # in kernels
A_DIGIT = re.compile(r".*\b(?:digits?|handwr\w+|MNIST)\b.*", flags=re.IGNORECASE)
TRAIN, TEST = 600, 120
NOISE = {"fashion": 230, "kmnist": 40, "qmnist": 120}  # the most that noise adds to a pixel: other data, another mean


def make_pictures(name: str) -> Published:
    """Make archives of ten classes that can be told apart: the class is the height of a bar amid noise."""
    generator = np.random.default_rng(0)
    arrays, contents = [], []
    for count in (TRAIN, TEST):
        labels = generator.permutation(np.arange(count) % 10).astype(np.uint8)
        images = generator.integers(0, NOISE[name] + 1, (count, 28, 28))
        images[generator.random(images.shape) < 0.5] = 0  # paper
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 4 : 2 * label + 7, 4:24] += 150
        stored = labels
        if name == "qmnist":  # eight columns: the class, then where the digit comes from
            stored = generator.integers(100, 1000, (count, 8), dtype=np.int32)
            stored[:, 0] = labels
        images = images.clip(0, 255).astype(np.uint8)
        arrays += [images, labels]
        contents += [images, stored]
    packed = [gzip.compress(fault_server.idx(content), mtime=0) for content in contents]
    return Published(dict(zip(fault_server.make_archives(name).files, packed, strict=True)), tuple(arrays))


PUBLISHED = {name: make_pictures(name) for name in NAMES}


def training_pixels(name: str, seed: int = 0) -> np.ndarray:
    """Return the pixels that mean and spread come from, 0 to 1: the training images without the validation images."""
    kept = torch.randperm(TRAIN, generator=torch.Generator().manual_seed(seed))[: -(TRAIN // 6)]
    return PUBLISHED[name].arrays[0][kept.numpy()] / 255


# --- loading ---


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], data.Dataset]]:
    """Returns a function that loads the small data set of a name from a server on this machine."""
    servers = {name: FaultServer(published.files) for name, published in PUBLISHED.items()}
    for name, server in servers.items():
        for attribute, value in fault_server.table(name, PUBLISHED[name], [server.url]).items():
            monkeypatch.setattr(download.published(name), attribute, value)
    monkeypatch.setenv("no_proxy", "*")
    for server in servers.values():
        server.__enter__()
    yield lambda name: data.load_dataset(name, tmp_path)
    for server in servers.values():
        server.__exit__()


@pytest.mark.parametrize("name", NAMES)
def test_a_relative_of_mnist_is_loaded_with_its_own_names(name: str, load: Callable[[str], data.Dataset]) -> None:
    loaded = load(name)
    assert (loaded.name, loaded.title) == (name, TITLES[name])
    assert ", ".join(loaded.class_names) == NAMES[name]
    tensors = (loaded.train_images, loaded.train_labels, loaded.test_images, loaded.test_labels)
    for tensor, array in zip(tensors, PUBLISHED[name].arrays, strict=True):
        np.testing.assert_array_equal(tensor.numpy(), array)
    prepared = data.prepare(loaded, None, seed=0)
    pixels = training_pixels(name)
    assert (prepared.mean, prepared.std) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-6)


# --- a run in kernels, as a teacher starts it ---

# Python imports a module of this name at every start, in the kernels too: there torchvision learns the small archives.
SITECUSTOMIZE = """
import json
from pathlib import Path
from torchvision import datasets
for attribute, value in json.loads(Path(__file__).with_name("table.json").read_text()).items():
    setattr(datasets.FashionMNIST, attribute, value)
"""


@dataclass
class Series:
    """A finished run: its folder, its results.json, what it printed and what the server was asked for."""

    out: Path
    results: dict
    printed: str
    requested: list[str]

    def notebook(self, number: str) -> nbformat.NotebookNode:
        (chapter,) = chapters.select_chapters([number])
        return nbformat.read(self.out / chapter.name, as_version=4)

    def said(self, number: str) -> str:
        """Return what a chapter printed, without its boxes and pictures."""
        outputs = [output for output in outputs_of(self.notebook(number)) if not is_box(output)]
        return "".join(output.get("text") or output["data"]["text/plain"] + "\n" for output in outputs)

    def alts(self, number: str) -> list[str]:
        outputs = outputs_of(self.notebook(number))
        return [output.metadata["image/png"]["alt"] for output in outputs if "image/png" in output.get("data", {})]

    def box(self, number: str) -> str:
        (box,) = [output.data["text/html"] for output in outputs_of(self.notebook(number)) if is_box(output)]
        return box


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def is_box(output: nbformat.NotebookNode) -> bool:
    return "border: 3px solid" in output.get("data", {}).get("text/html", "")


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Series:
    """Chapters 3 and 4 on FashionMNIST, run once for all tests here."""
    folder = tmp_path_factory.mktemp("fashion")
    with FaultServer(PUBLISHED["fashion"].files) as server:
        table = fault_server.table("fashion", PUBLISHED["fashion"], [server.url])
        (folder / "table.json").write_text(json.dumps(table))
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        values = {"dataset": "fashion", "data_dir": str(folder / "data"), "epochs": "2", "batch_size": "8"}
        words = [word for name, value in values.items() for word in ("-p", name, value)]
        search = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": search, "no_proxy": "*", "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [sys.executable, "-m", "course", "run", *CHAPTERS, *words, "--out", "out"],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr[-3000:]
        results = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
        return Series(folder / "out", results, done.stdout, server.requested)


@pytest.mark.slow
def test_the_archives_are_fetched_once_for_all_chapters(series: Series) -> None:
    assert series.requested == list(PUBLISHED["fashion"].files)


@pytest.mark.slow
def test_the_results_are_those_of_the_data_asked_for(series: Series) -> None:
    results, labels = series.results, PUBLISHED["fashion"].arrays[3]
    assert results["dataset"] == results["parameters"]["dataset"] == "fashion"
    assert results["test"]["n"] == TEST
    assert [sum(row) for row in results["confusion_matrix"]] == np.bincount(labels).tolist()
    assert results["test"]["accuracy"] > 0.3, "three times guessing: it learned from these images"
    assert re.search(r"^data +FashionMNIST$", series.printed, flags=re.MULTILINE)
    assert f"FashionMNIST: {results['test']['accuracy']:.2%} right" in series.said("04")
    record, pixels = load_record(series.out, "03_training"), training_pixels("fashion")
    assert (record["mean"], record["std"]) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("number", CHAPTERS)
def test_every_chapter_begins_with_a_box_on_whose_digits_the_text_speaks_of(series: Series, number: str) -> None:
    box = series.box(number)
    assert "The text speaks of MNIST's digits, not of these images" in box
    assert "Data: FashionMNIST." in box
    assert f"600 training and 120 test images: {data.SUBJECTS['fashion']}" in box
    assert NAMES["fashion"] in box


@pytest.mark.slow
@pytest.mark.parametrize("number", CHAPTERS)
def test_no_output_takes_a_shirt_for_a_digit(series: Series, number: str) -> None:
    for text in [series.said(number), *series.alts(number)]:
        assert A_DIGIT.findall(text) == []


@pytest.mark.slow
def test_tables_name_the_classes(series: Series) -> None:
    rows = re.findall(r"^([A-Z].*?)(?: +[01]\.\d+){3} +12$", series.said("04"), flags=re.MULTILINE)
    assert rows == NAMES["fashion"].split(", ")
    assert re.search(r"^class Sneaker: recall", series.said("04"), flags=re.MULTILINE)


@pytest.mark.slow
def test_nothing_is_compared_with_a_run_on_mnist(series: Series) -> None:
    assert "Nobody reported a run on FashionMNIST" in series.said("03")
    assert "0.9587" not in series.said("03"), "the reported accuracy of MNIST's first epoch"
    assert "weights: of your own run" in series.said("04")


# --- the chapters' cells run in here ---


@pytest.fixture
def run_cells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, load: Callable, tmp_path: Path
) -> Callable[..., tuple[str, list[str]]]:
    """Returns a function that runs a chapter's code cells and returns its printed text, and its boxes, titles, alts."""
    shown: list[str] = []
    monkeypatch.setattr(
        plotting, "display", lambda thing: shown.append(thing.data) if isinstance(thing, HTML) else None
    )
    show = plotting.show

    def noted(figure: object, alt: str) -> None:
        titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
        shown.extend([*filter(None, titles), alt])
        show(figure, alt)

    monkeypatch.setattr(plotting, "show", noted)

    def run_cells(number: str, **values: object) -> tuple[str, list[str]]:
        shown.clear()
        capsys.readouterr()
        namespace: dict[str, object] = {}
        (chapter,) = chapters.select_chapters([number])
        values |= {"data_dir": str(tmp_path), "run_dir": str(tmp_path / "run")}
        for cell in nbformat.read(chapter, as_version=4).cells:
            if cell.cell_type == "code" and "quiz" not in cell.metadata.get("tags", []):  # which is about MNIST
                exec(compile(cell.source, chapter.name, "exec"), namespace)
                if "parameters" in cell.metadata.get("tags", []):
                    namespace |= values
        return capsys.readouterr().out, list(shown)

    return run_cells


@pytest.mark.parametrize("number", ["01", "02", "03"])
def test_nothing_in_a_chapter_takes_a_character_for_a_digit(number: str, run_cells: Callable, tmp_path: Path) -> None:
    printed, (box, *shown) = run_cells(number, dataset="kmnist", **({"epochs": 1} if number == "03" else {}))
    assert "Data: KMNIST. The text speaks of MNIST's digits, not of these images" in box
    assert f"{data.SUBJECTS['kmnist']}. The ten classes: {NAMES['kmnist']}" in box
    assert [text for text in [printed, *shown] if A_DIGIT.search(text)] == []
    if number != "01":
        return
    pixels = training_pixels("kmnist")
    assert f"mean {pixels.mean():.4f}, standard deviation {pixels.std():.4f}" in printed
    record = load_record(tmp_path / "run", "01_data")
    assert (record["mean"], record["std"]) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-3)
    assert "accuracy of always saying 'o': 10.0%" in printed
    first = NAMES["kmnist"].split(", ")[PUBLISHED["kmnist"].arrays[1][0]]
    assert f"The label says: {first}\n" in printed
    assert any(NAMES["kmnist"] in text for text in shown)
    assert "KMNIST: ten of each class" in shown
    # Ten bars amid a little noise: averages are enough.
    assert "It is 100 %." in printed
    assert "0 misread images, each with its true class and the predicted one." in shown


def test_chapter_4_without_a_run_on_this_data_says_so(run_cells: Callable) -> None:
    """There are reference weights for MNIST, and they would read shirts as digits."""
    with pytest.raises(ValueError, match=r"^run_dir: no run on 'fashion' in [^\n]*; run chapter 3 on that data set"):
        run_cells("04", dataset="fashion")


def keep_weights(model: MNISTClassification, name: str, folder: Path, load: Callable) -> None:
    """Leave in `folder` what chapter 3 would have left, had it trained this model."""
    prepared = data.prepare(load(name), None, seed=0)
    checkpoint.save_weights(model, folder / "weights.safetensors")
    save_record(
        folder,
        "03_training",
        dataset=name,
        parameters={"val_size": None},
        seed=0,
        mean=prepared.mean,
        std=prepared.std,
        history=[{"val_accuracy": 0.5}],
    )


def test_a_network_that_makes_no_mistake_is_not_said_to_make_one(
    run_cells: Callable, load: Callable, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    prepared = data.prepare(load("qmnist"), None, seed=0)
    model = MNISTClassification(conv_dropout=0.0, fc_dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    batches = data.make_batches(prepared.train, 50, shuffle=True)
    for _ in range(8):
        training.train_epoch(model, batches, optimizer)
    keep_weights(model, "qmnist", tmp_path / "run", load)

    printed, shown = run_cells("04", dataset="qmnist")
    assert "QMNIST: 100.00% right" in printed
    assert "most frequent mistake: none;" in printed
    assert "none: 0;   the other way around: 0" in printed
    assert "Most frequent mistake: none" in shown
    assert "0 misread test images, the surest first, each with true and predicted class." in shown
    assert "95 % interval: 100.00% to 100.00%" in printed
    assert re.findall(r"\w+ read as \w+", printed + " ".join(shown)) == []
    assert "nan" not in printed


@pytest.mark.parametrize(("certainty", "sure"), [(0.5, 0), (50.0, TEST)], ids=["unsure", "sure"])
def test_a_network_that_always_says_the_same(
    certainty: float, sure: int, run_cells: Callable, load: Callable, tmp_path: Path
) -> None:
    """It never predicts nine of the classes, and is sure of all its answers or of none: no division by nothing."""
    model = MNISTClassification()
    with torch.no_grad():
        model.fc_block[3].weight.zero_()
        model.fc_block[3].bias.zero_()
        model.fc_block[3].bias[3] = certainty
    keep_weights(model, "kmnist", tmp_path / "run", load)
    printed, shown = run_cells("04", dataset="kmnist")
    assert "class ya: recall 0.000, precision 0.000, F1 0.000" in printed
    assert "KMNIST: 10.00% right" in printed
    assert "most frequent mistake: o read as tsu;" in printed
    assert f"{sure // 10} of {sure} answers above 90 % confidence are right" in printed
    assert f"More than 95 % sure: {sure // 10} right answers, {sure - sure // 10} wrong ones" in shown
    assert "nan" not in printed
