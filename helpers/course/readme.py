"""The README's tables, written from results/ so that no number in it is typed by hand."""

import statistics

from helpers import paths
from helpers.records import load_result

README = paths.ROOT / "README.md"


def mean_and_spread(values: list[float], digits: int) -> str:
    """Return `mean ± standard deviation` with `digits` decimals; the deviation is that of a sample (n − 1)."""
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def seed_protocol_table() -> str:
    """Return the table of the seed's protocol: its reported run beside ours over several seeds."""
    reported, runs = load_result("seed_reported.json"), load_result("seed_protocol.json")["runs"]
    keys = ("train_loss", "val_loss", "val_f1", "val_accuracy")
    lines = [
        f"| epoch | train loss: reported | ours, {len(runs)} seeds | val loss: reported | ours "
        "| val F1: reported | ours | val accuracy: reported | ours |",
        "|---:|" + "---:|" * 8,
    ]
    for position, entry in enumerate(reported["history"]):
        cells = []
        for key in keys:
            cells += [f"{entry[key]:.4f}", mean_and_spread([run["history"][position][key] for run in runs], 4)]
        lines.append(f"| {entry['epoch']} | " + " | ".join(cells) + " |")
    accuracy = mean_and_spread([100 * run["test"]["accuracy"] for run in runs], 2)
    f1 = mean_and_spread([100 * run["test"]["f1"] for run in runs], 2)
    each = ", ".join(f"{run['test']['accuracy']:.2%}" for run in runs)
    lines += [
        "",
        "| test set, once | reported | ours, mean ± standard deviation | each seed |",
        "|---|---:|---:|---|",
        f"| accuracy (%) | {100 * reported['test']['accuracy']:.2f} | {accuracy} | {each} |",
        f"| macro F1 (%) | {100 * reported['test']['f1']:.2f} | {f1} | |",
    ]
    return "\n".join(lines)


TABLES = {"seed protocol": seed_protocol_table}


def write_tables(write: bool = True) -> bool:
    """Put each table between its markers in the README; return whether anything differed."""
    old = new = README.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        start, end = f"<!-- table: {name} -->", f"<!-- end of table: {name} -->"
        before, rest = new.split(start)
        _, after = rest.split(end)
        new = f"{before}{start}\n{table()}\n{end}{after}"
    if write and new != old:
        README.write_text(new, encoding="utf-8")
    return new != old
