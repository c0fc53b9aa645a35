"""The model card: each number in it is on record, and a run writes one for what it has trained and tested."""

import json
import math
import re
import statistics
from pathlib import Path

import pytest
from scipy import stats

from course import model_card
from helpers import settings
from helpers.results import load_result, load_sweep

RESULTS = {
    "dataset": "fashion",
    "parameters": {"epochs": 3, "batch_size": 32, "learning_rate": 0.002, "val_size": 5000},
    "seed": 7,
    "device": "cpu",
    "history": [{"train_loss": 0.61234, "val_loss": 0.41236, "val_accuracy": 0.8512}],
    "test": {"accuracy": 0.75, "f1": 0.7333, "n": 4},
    "confusion_matrix": [[1, 0, 0], [1, 0, 0], [0, 0, 2]],  # three classes: 1 is always read as 0
    "versions": {"torch": "2.14.1"},
}


def numbers_in(text: str) -> list[str]:
    """Return the numbers of a card, but those of names: links, `code`, F1, chapters, 95 % intervals, 28 × 28."""
    text = re.sub(r"<!--.*?-->", "", text)
    text = re.sub(
        r"\]\([^)]*\)|`[^`]*`|Mitchell et al., 2019|F1|[Cc]hapters? \d( and \d)?|95 % interval|28 × 28", "", text
    )
    return re.findall(r"\d[\d,.]*\d|\d", text)


def test_each_number_of_the_committed_card_is_on_record() -> None:
    card = (settings.FILES / model_card.NAME).read_text(encoding="utf-8")
    trained, tested = (
        json.loads((model_card.REFERENCE / f"{chapter}.json").read_text(encoding="utf-8"))
        for chapter in ("03_training", "04_evaluation")
    )
    test, last, matrix = tested["test"], trained["history"][-1], tested["confusion_matrix"]
    assert sum(map(sum, matrix)) == test["n"]
    reach = 1.96 * math.sqrt(test["accuracy"] * (1 - test["accuracy"]) / test["n"])
    shares = [test["accuracy"] - reach, test["accuracy"], test["accuracy"] + reach, test["f1"], last["val_accuracy"]]
    seeds = load_sweep("seed_protocol")["test_accuracy"].tolist()
    t = stats.t.ppf(0.975, len(seeds) - 1) * statistics.stdev(seeds) / math.sqrt(len(seeds))
    shares += [min(seeds), max(seeds), statistics.mean(seeds), statistics.mean(seeds) - t, statistics.mean(seeds) + t]
    expected = [f"{100 * share:.2f}" for share in shares] + [f"{last[name]:.4f}" for name in ("train_loss", "val_loss")]
    for k, row in enumerate(matrix):
        precision = row[k] / sum(of_class[k] for of_class in matrix)
        other, count = max(((j, n) for j, n in enumerate(row) if j != k), key=lambda pair: pair[1])
        expected += [str(k), str(sum(row)), f"{100 * row[k] / sum(row):.1f}", f"{100 * precision:.1f}", str(count)]
        expected.append(str(other))
    for of_seeds in load_result("corruptions.json")["accuracy"]["course"].values():
        expected += [f"{100 * share:.1f}" for share in (statistics.mean(of_seeds), min(of_seeds), max(of_seeds))]
    expected += [str(trained["parameters"][name]) for name in ("epochs", "batch_size", "learning_rate")]
    expected += [str(trained["seed"]), trained["versions"]["torch"], f"{test['n']:,}", "21,840", "5", str(len(seeds))]
    assert sorted(numbers_in(card)) == sorted(expected)
    assert len(card.splitlines()) <= 70


def test_a_run_with_other_data_has_only_its_own_numbers(tmp_path: Path) -> None:
    model_card.write(RESULTS, tmp_path)
    card = (tmp_path / model_card.NAME).read_text(encoding="utf-8")
    assert "**75.00 % are read correctly** (95 % interval 32.57 to 117.43 %" not in card, "no share is above 100 %"
    assert "a network that reads FashionMNIST" in card
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card.splitlines() if line.startswith("|")]
    assert rows[2:] == [
        ["0", "1", "100.0", "50.0", "never misread"],
        ["1", "1", "0.0", "0.0", "1 × as 0"],
        ["2", "2", "100.0", "100.0", "never misread"],
    ]
    assert "Not measured for this network" in card
    assert {"3", "32", "0.002", "7", "5,000", "0.6123", "0.4124", "85.12", "73.33"} <= set(numbers_in(card))


@pytest.mark.parametrize("missing", ["history", "test"])
def test_a_run_that_trained_or_tested_nothing_leaves_no_card(missing: str, tmp_path: Path) -> None:
    model_card.write(RESULTS, tmp_path)
    model_card.write({name: part for name, part in RESULTS.items() if name != missing}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_somebody_changed_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    card = tmp_path / model_card.NAME
    model_card.write(RESULTS, tmp_path)
    model_card.write(RESULTS, tmp_path)
    assert list(tmp_path.iterdir()) == [card], "an unchanged one is replaced"
    changed = card.read_text(encoding="utf-8").replace("FashionMNIST", "our coats")
    card.write_text(changed, encoding="utf-8")
    model_card.write(RESULTS, tmp_path)
    (kept,) = set(tmp_path.iterdir()) - {card}
    assert kept.read_text(encoding="utf-8") == changed
    assert "our coats" not in card.read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"{card.name} was changed since a run left it; it is now {kept.name}\n"
