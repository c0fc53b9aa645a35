"""A patient as a learner meets it: a sheet, one more test, and a diagnosis, which is answered with a reason."""

import random
from difflib import get_close_matches
from functools import cached_property

from IPython.display import display
from torch.utils.data import TensorDataset

from course.box import Box
from course.clinic import patients
from course.clinic.patients import PATIENTS
from course.clinic.replies import CLOSE, HERE, WOULD
from helpers import data, plotting
from helpers.diagnosis import USUAL, Watch, readings

TESTS = ("shared images", "classes in a batch", "blank image", "one batch", "evaluated twice")  # not on the sheet
ORDER = (  # the chapter's patients, from 1; fixed, so that a class can speak of patient 7
    "no eval",
    "learning rate too high",
    "softmax twice",
    "labels one off",
    "no zero_grad",
    "learning rate too low",
    "validation images in training",
    "softmax over the batch",
    "features detached",
    "validation not normalized",
    "sorted batches",
    "pixels from 0 to 255",
)


class Case:
    """One training with a mistake. It is trained when it is looked at for the first time, which takes seconds.

    Args:
        title: what its sheet is called.
        changes: the lines that differ from the healthy training, as of a `Patient`.
        train_set, val_set: pixels uint8 (N, 28, 28), labels int64 (N,).
        seed: of everything random.
    """

    def __init__(
        self, title: str, changes: dict[str, str], train_set: TensorDataset, val_set: TensorDataset, seed: int
    ):
        self.title, self._changes, self._sets, self._seed = title, changes, (train_set, val_set), seed

    @cached_property
    def watch(self) -> Watch:
        return patients.examine(self._changes, *self._sets, self._seed)

    @cached_property
    def says(self) -> dict[str, str]:
        """What each of the ten signs says."""
        return readings(self.watch)

    def sheet(self) -> None:
        """Show what was noted during the training."""
        shown = [HERE[sign, reading] for sign, reading in self.says.items() if sign not in TESTS]
        plotting.show(plotting.vital_signs(self.watch, self.title), alt=" ".join(shown))

    def order(self, test: object) -> None:
        """Do one of the `TESTS`, and say what came out; `...` orders none.

        Raises:
            ValueError: there is no such test.
        """
        if test is ...:
            print(f"{self.title}: no test ordered yet.")
        elif test in TESTS:
            print(f"{self.title}, {test}. {HERE[str(test), self.says[str(test)]]}")
        else:
            raise ValueError(f"test: unknown test {test!r}; choose one of {', '.join(TESTS)}")

    def diagnose(self, answer: object) -> None:
        """Show whether a diagnosis is right: see `verdict`."""
        passed, words = self.verdict(answer)
        display(Box(passed, f"{self.title}: {'right' if passed else 'not yet'}. {words}"))

    def verdict(self, answer: object) -> tuple[bool, str]:
        """Return whether a diagnosis is right, and why: the line that was it, or a sign that speaks against it."""
        guess = str(answer).strip().lower()
        if guess not in PATIENTS:
            close = [name for name in PATIENTS if guess and guess in name] or get_close_matches(guess, PATIENTS, n=1)
            meant = " or ".join(f"`{name}`" for name in close)
            remedy = f"Did you mean {meant}?" if close else f"Choose one of: {', '.join(PATIENTS)}."
            return False, f"`{answer}` is none of the twelve. {remedy}"
        patient = PATIENTS[guess]
        if patient.changes == self._changes:
            return True, " ".join([*map(mistake, patient.changes.items()), patient.why])
        against = [sign for sign, reading in patient.signs.items() if self.says[sign] != reading]
        if not against:
            return False, "It would show these signs, too. Order another test, and compare the sheets."
        true = next((name for name, one in PATIENTS.items() if one.changes == self._changes), "")
        near = CLOSE.get(frozenset((guess, true)), "")
        return False, f"{near} {WOULD[guess, against[0]]} {HERE[against[0], self.says[against[0]]]}".strip()


def mistake(change: tuple[str, str]) -> str:
    """Return in words how a line of a patient differs from the healthy one."""
    healthy, (*lines,) = change[0], change[1].splitlines()
    if not lines:
        return f"The line `{healthy}` is missing."
    if healthy in lines:
        return " ".join(f"One line is too many: `{line}`." for line in lines if line != healthy)
    return f"It has `{'; '.join(lines)}` where it should have `{healthy}`."


def admit(dataset: data.Dataset, val_size: int | None, seed: int) -> dict[int, Case]:
    """Return the chapter's twelve cases, from 1, none of them trained yet.

    Args:
        dataset: its training images are split as by `data.split`.
        val_size, seed: as there.
    """
    sets = data.split(dataset, val_size, seed)
    return {
        number: Case(f"Patient {number}", PATIENTS[name].changes, *sets, seed) for number, name in enumerate(ORDER, 1)
    }


def hide(number: int, dataset: data.Dataset, seed: int = 0) -> Case:
    """Return one of the twelve without telling which; the same number gives the same one."""
    name = random.Random(number).choice(ORDER)
    return Case(f"Hidden patient {number}", PATIENTS[name].changes, *data.split(dataset, None, seed), seed)


def plant(changes: dict[str, str], dataset: data.Dataset, seed: int = 0) -> Case:
    """Return a case of your own: healthy lines, each with what takes its place.

    Raises:
        ValueError: a line isn't there exactly once.
    """
    patients.changed(changes)
    return Case("Your patient", changes, *data.split(dataset, None, seed), seed)
