"""Put the page into one file: HTML, style, scripts, the weights of a run at every age, and images to try."""

import base64
import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from helpers import checkpoint, results, settings
from helpers.data import Dataset, load_dataset, normalize
from helpers.model import MNISTClassification

PARTS = Path(__file__).parent
SCRIPTS = ("network", "prepare", "photo", "paint", "draw", "look", "learn", "quiz", "app")  # in this order
MARK = "<!-- Made by `python -m course page`, which may overwrite this file. -->"
IMAGES_OF_A_CLASS = 10  # test images to choose from
QUIZ_IMAGES = 12
MOST_AGES = 13  # sets of weights, 117 kB each: with more, the page would exceed 2 MB
CHALLENGES = {
    True: "All ten networks that chapter 6 trained misread these {count} of {total:,} test images. You go first; then "
    "the network in this page, which is chapter 3's.",
    False: "Of {total:,} test images, these {count} are the ones that this network finds hardest. You go first; then "
    "the network.",
}


def write(run: Path | None, out: Path, data_dir: str | Path = "data") -> None:
    """Build the page and write it to the file `out`, whole or not at all.

    Args:
        run: folder of a run that chapter 3 left; None takes the reference run on MNIST, or on the embedded digits where
            MNIST can't be had.
        out: where to; an earlier page is overwritten, any other file is not.
        data_dir: folder of the data set's archives.

    Raises:
        ValueError: the run can't be used, its data set can't be had, or `out` is somebody's own file.
        OSError: `out` can't be written.
    """
    check_own(out)
    results.write_text(out, build(run, data_dir))


def check_own(out: Path) -> None:
    """Raise ValueError if `out` is there, but no page that this command made."""
    if out.is_dir():
        raise ValueError(f"out: '{settings.shown(out)}' is a folder; give the name of a file, such as digits.html")
    if out.exists():
        with out.open("rb") as file:
            if MARK.encode() not in file.read(200):
                raise ValueError(f"out: '{settings.shown(out)}' was not made by `page`; give another name")


def build(run: Path | None = None, data_dir: str | Path = "data") -> str:
    """Return the page (see `write`)."""
    dataset = None
    if run is None:
        dataset = load_dataset("auto", data_dir)
        run = settings.FILES / "results" / "reference" / dataset.name
    record, ages = read_run(run)
    dataset = dataset or load_dataset(record["dataset"], data_dir)
    (*earlier, trained) = ages.values()
    quiz = hardest(dataset, record, trained)
    shown = [place for label in range(10) for place in _first_of(dataset.test_labels, label)]
    content = {
        "mean": record["mean"],
        "std": record["std"],
        "classNames": dataset.class_names,
        "accuracies": {entry["epoch"]: entry["val_accuracy"] for entry in record["history"]},
        "layout": [(name, tensor.numel()) for name, tensor in trained.items()],
        "epochs": list(ages),
        "trained": packed(trained),
        "labels": dataset.test_labels[shown].tolist(),
        "places": shown,
        "quiz": quiz,
    }
    later = {
        "images": encoded(dataset.test_images[shown]),
        "quiz-images": encoded(dataset.test_images[quiz["places"]]),
        **{f"age{number}": packed(weights) for number, weights in enumerate(earlier)},
    }
    challenge = CHALLENGES[bool(quiz["given"])].format(count=len(quiz["places"]), total=len(dataset.test_labels))
    return assemble(content, later, dataset, challenge)


def assemble(content: dict, later: dict[str, str], dataset: Dataset, challenge: str) -> str:
    """Put the parts into the page; its policy lets the page's own script and style in, and nothing else.

    `content` is what the first answer needs. What can wait, `later`, follows the script, each text in an element of its
    own, so that the page answers before a browser has read it.
    """
    style = joined("pad.css", "style.css")
    script = "'use strict';\n" + joined(*(f"{name}.js" for name in SCRIPTS))
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src blob:; "
    policy += "base-uri 'none'; form-action 'none'"
    parts = {
        "mark": MARK,
        "policy": policy,
        "style": style,
        "subject": dataset.subject,
        "title": dataset.title,
        "challenge": challenge,
        "script": script,
        "data": json.dumps(content, ensure_ascii=False).replace("<", "\\u003c"),  # nothing in it can end the element
    }
    parts["later"] = "\n".join(f'<script type="text/plain" id="{name}">{text}</script>' for name, text in later.items())
    page = (PARTS / "page.html").read_text(encoding="utf-8")
    for name, text in parts.items():  # not `format`, since nobody wants to double each brace
        page = page.replace(f"{{{name}}}", text, 1)
    return page


def joined(*names: str) -> str:
    """Return the text of some of the files beside this one, one after the other."""
    return "\n".join((PARTS / name).read_text(encoding="utf-8") for name in names)


def read_run(run: Path) -> tuple[dict, dict[int, dict[str, Tensor]]]:
    """Return a run's record, and its weights by name after each epoch; 0 is before training.

    Of a run that kept no weights on its way there are the last ones alone; of a long one, some epochs are left out.

    Raises:
        ValueError: there is no run, it is damaged, or its weights are not those of the course's network.
    """
    weights = run / "weights.safetensors"
    try:
        record = results.load_record(run, "03_training")
    except FileNotFoundError:
        record = None
    if record is None or not weights.is_file():
        raise ValueError(f"run: no run in '{settings.shown(run)}'; give a folder that chapter 3 left, or run it first")
    results.find_run(run, record["dataset"])  # refuses weights that are not the record's
    final, last = _load(weights), len(record["history"])
    chosen = [round(epoch) for epoch in torch.linspace(0, last, min(MOST_AGES, last + 1)).tolist()]
    files = {epoch: run / "epochs" / f"{epoch:02}.safetensors" for epoch in chosen}
    if not all(file.is_file() for file in files.values()):
        return record, {last: final}
    ages = {epoch: _load(file) for epoch, file in files.items()}
    is_same = all(torch.equal(tensor, final[name]) for name, tensor in ages[last].items())
    return record, ages if is_same else {last: final}  # else they are another run's


def _load(path: Path) -> dict[str, Tensor]:
    model = MNISTClassification()
    checkpoint.load_weights(model, path)
    return dict(model.state_dict())


def hardest(dataset: Dataset, record: dict, weights: dict[str, Tensor]) -> dict:
    """Choose the images of the challenge: those that all recorded networks misread, if they read this data set.

    Returns:
        `places` in the test set, `labels`, and `given`: the recorded networks' answers; none for other data sets, of
        which it takes the images with the lowest probability for their label.
    """
    given: list[list[int]] = []
    if dataset.name == "mnist":
        misread = results.load_result("misread.json")["best_recipe"]
        runs = [{place: answer for place, _, answer in run} for run in misread]
        places = sorted(set.intersection(*(set(run) for run in runs)))
        given = [[run[place] for run in runs] for place in places]
    else:
        model = MNISTClassification()
        model.load_state_dict(weights)
        images = normalize(dataset.test_images, record["mean"], record["std"])
        with torch.no_grad():
            log_probs = model.eval()(images).gather(1, dataset.test_labels[:, None])[:, 0]
        places = log_probs.argsort()[:QUIZ_IMAGES].tolist()
    return {"places": places, "labels": dataset.test_labels[places].tolist(), "given": given}


def packed(weights: dict[str, Tensor]) -> str:
    """Return all weights in one line, one tensor after the other (see `encoded`)."""
    return encoded(torch.cat([tensor.flatten() for tensor in weights.values()]))


def encoded(numbers: Tensor) -> str:
    """Return the bytes of float32 or uint8 numbers as base64, little end first."""
    array = numbers.contiguous().numpy()
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def _first_of(labels: Tensor, label: int) -> list[int]:
    return (labels == label).nonzero()[:IMAGES_OF_A_CLASS, 0].tolist()


def _hash(text: str) -> str:
    """Return how a Content-Security-Policy names a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
