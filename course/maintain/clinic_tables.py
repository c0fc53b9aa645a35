"""What results/README.md says of the trainings in results/clinic.json: their signs, and what is close to a limit."""

from collections import Counter
from collections.abc import Sequence

from course.clinic.patients import PATIENTS
from course.maintain.clinic_record import HEALTHY
from helpers.diagnosis import LIMITS, USUAL
from helpers.results import load_result

SIGNS = {  # of each limit: the sign that it belongs to, where the two have different names
    "last losses": "loss and accuracy",
    "accuracy": "loss and accuracy",
    "gradient's growth": "gradient",
    "small updates": "updates",
    "large updates": "updates",
    "gap": "validation",
    "times guessing": "validation",
}
ASKED = {  # limits that count only beside another number: for which trainings
    "last losses": lambda numbers: numbers["accuracy"] > LIMITS["accuracy"],
    "accuracy": lambda numbers: numbers["last losses"] >= LIMITS["last losses"],
    "times guessing": lambda numbers: numbers["gap"] >= LIMITS["gap"],
}


def trainings() -> list[tuple[str, str, int, dict]]:
    """Return of each recorded training the data set, the mistake or `healthy`, the seed, and what was found."""
    return [
        (dataset, name, seed, run)
        for dataset, of_dataset in load_result("clinic.json")["runs"].items()
        for name, runs in of_dataset.items()
        for seed, run in enumerate(runs)
    ]


def signs(dataset: str = "mnist") -> list[dict[str, str]]:
    """Return a row for each mistake: what its signs say where they don't say what they usually do."""
    runs = load_result("clinic.json")["runs"][dataset]
    return [{"mistake": f"`{name}`" if name in PATIENTS else name} | cells(name, runs[name]) for name in runs]


def cells(training: str, runs: Sequence[dict]) -> dict[str, str]:
    """Return what each sign says: bold is what it must say; with a number, so many of the seeds say so."""
    must = PATIENTS[training].signs if training in PATIENTS else {}
    row = {}
    for sign, usual in USUAL.items():
        words = []
        for reading, count in Counter(run["says"][sign] for run in runs).items():
            word = f"**{reading}**" if must.get(sign) == reading else reading if reading != usual else ""
            words += [f"{word} ({count})" if count < len(runs) else word] if word else []
        row[sign] = ", ".join(words)
    return row


def proof() -> str:
    """Return in how many trainings the signs that a mistake must show are there, with that mistake and without."""
    held: dict[bool, list[bool]] = {True: [], False: []}
    odd: list[bool] = []
    for _, name, _, run in trainings():
        for mistake, patient in PATIENTS.items():
            held[name == mistake].append(patient.signs.items() <= run["says"].items())
        odd += [run["says"] != USUAL] if name == HEALTHY else []
    own, other, unlike = held[True], held[False], list[str]()
    for mnist, digits in zip(signs("mnist"), signs("digits"), strict=True):
        differing = [f"{sign} {cell or 'as usual'}" for sign, cell in digits.items() if cell != mnist[sign]]
        unlike += [f"{mnist['mistake']}: {', '.join(differing)}"] if differing else []
    return (
        f"On both data sets together, {sum(own)} of {len(own)} trainings with a mistake show all signs in bold. For a "
        f"mistake that wasn't made, they are all there in {sum(other)} of {len(other):,} cases. Of {len(odd)} healthy "
        f"trainings, {sum(odd)} have an odd sign. What the digits say differently: {'; '.join(unlike) or 'nothing'}."
    )


def limits() -> list[dict[str, str]]:
    """Return a row for each limit: what comes closest, of the healthy trainings and those that must show its sign."""
    rows = []
    for limit, value in LIMITS.items():
        sides: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
        for dataset, name, seed, run in trainings():
            number = run["numbers"]["updates" if "updates" in limit else limit]
            counts = name == HEALTHY or SIGNS.get(limit, limit) in PATIENTS[name].signs
            if counts and number is not None and ASKED.get(limit, bool)(run["numbers"]):
                sides[number < value].append((number, f"{number:.3g} ({name}, {dataset}, seed {seed})"))
        below, above = max(sides[True], default=(0, "none")), min(sides[False], default=(0, "none"))
        rows.append({"number": limit, "limit": f"{value:g}", "closest below": below[1], "closest above": above[1]})
    return rows
