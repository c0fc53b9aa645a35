"""The clinic: mistakes show their signs and no others, wrong diagnoses have replies, and nothing gives a case away."""

import ast
import difflib
import math
import re
from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from matplotlib.text import Text
from torch.utils.data import TensorDataset

from course.__main__ import main
from course.clinic import cases, chart, patients
from course.clinic.cases import ORDER, TESTS, Case
from course.clinic.patients import PATIENTS
from course.clinic.replies import CLOSE, HERE, WOULD
from course.maintain import clinic_record, clinic_tables, record
from helpers import data, diagnosis
from helpers.diagnosis import USUAL, readings
from helpers.results import load_result, read_json

HEALTHY = clinic_record.HEALTHY
RECORD = load_result("clinic.json")
TRAININGS = clinic_tables.trainings()


def shows(mistake: str, says: dict[str, str]) -> bool:
    return PATIENTS[mistake].signs.items() <= says.items()


# --- what is recorded ---


def test_the_record_holds_every_seed_and_what_its_numbers_say() -> None:
    counted = {(of, name): len(runs) for of, trainings in RECORD["runs"].items() for name, runs in trainings.items()}
    assert counted == {(of, name): seeds for of in ("mnist", "digits") for name, seeds in clinic_record.SEEDS.items()}
    assert {"command", "threads", "versions"} <= set(RECORD)
    for *_, run in TRAININGS:
        numbers = {name: math.nan if value is None else value for name, value in run["numbers"].items()}
        assert run["says"] == diagnosis.judge(numbers), "limits have changed; run `python -m course record --clinic`"


@pytest.mark.parametrize("mistake", PATIENTS)
def test_a_mistake_shows_its_signs_on_every_seed_and_no_other_training_does(mistake: str) -> None:
    others = [training[:3] for training in TRAININGS if shows(mistake, training[3]["says"])]
    assert others == [(of, mistake, seed) for of in ("mnist", "digits") for seed in range(5)]


def test_no_sign_of_a_healthy_training_is_odd() -> None:
    healthy = [run["says"] for _, name, _, run in TRAININGS if name == HEALTHY]
    assert healthy == [USUAL] * 40


def test_the_page_of_the_record_counts_all_of_this() -> None:
    assert re.findall(r"\d[\d,]* of (?:the )?\d[\d,]*", clinic_tables.proof()) == ["120 of 120", "0 of 1,800"]
    assert "Of 40 healthy trainings, 0 have an odd sign." in clinic_tables.proof()


def test_the_chart_followed_blindly_names_every_mistake_in_at_most_four_questions() -> None:
    for of, name, seed, run in TRAININGS:
        *answers, found = chart.follow(run["says"])
        assert (of, seed, found) == (of, seed, chart.NOTHING if name == HEALTHY else name)
        assert len(answers) <= 4


# --- live ---

FAST = (HEALTHY, "softmax twice")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in (HEALTHY, *PATIENTS)]
)
def test_a_training_shows_the_signs_here_too(name: str, digits: data.Dataset) -> None:
    says = readings(patients.examine(clinic_record.TRAININGS[name], *data.split(digits, None, 0), seed=0))
    assert says == USUAL if name == HEALTHY else shows(name, says)
    assert chart.follow(says)[-1] == (chart.NOTHING if name == HEALTHY else name)


# --- diagnoses ---


def case_of(name: str, says: dict[str, str]) -> Case:
    """A case whose signs are known, so that nothing is trained."""
    nothing = TensorDataset()
    case = Case("Patient 1", PATIENTS[name].changes, nothing, nothing, 0)
    case.says = says
    return case


@pytest.mark.parametrize("mistake", PATIENTS)
def test_each_wrong_diagnosis_is_told_a_sign_that_speaks_against_it(mistake: str) -> None:
    for _, name, _, run in TRAININGS:
        says = run["says"]
        for guess in PATIENTS if name == mistake else ():
            passed, words = case_of(mistake, says).verdict(guess)
            assert passed == (guess == mistake)
            if passed:
                for healthy, instead in PATIENTS[
                    mistake
                ].changes.items():  # the line that was it, or the one that is missing
                    assert (instead.splitlines() or [healthy])[-1] in words
                assert PATIENTS[mistake].why in words
                continue
            against = [sign for sign, reading in PATIENTS[guess].signs.items() if says[sign] != reading]
            assert any(words.endswith(f"{WOULD[guess, sign]} {HERE[sign, says[sign]]}") for sign in against)
            assert mistake not in words


def test_there_is_a_sentence_for_every_sign_and_none_for_nothing() -> None:
    assert set(WOULD) == {(name, sign) for name, patient in PATIENTS.items() for sign in patient.signs}
    assert {item for *_, run in TRAININGS for item in run["says"].items()} <= set(HERE)
    assert {name for pair in CLOSE for name in pair} <= set(PATIENTS)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("softmax twise", "`softmax twise` is none of the twelve. Did you mean `softmax twice`?"),
        ("softmax", "`softmax` is none of the twelve. Did you mean `softmax twice` or `softmax over the batch`?"),
        ("overfitting", f"`overfitting` is none of the twelve. Choose one of: {', '.join(PATIENTS)}."),
        ("", f"`` is none of the twelve. Choose one of: {', '.join(PATIENTS)}."),
        (..., f"`Ellipsis` is none of the twelve. Choose one of: {', '.join(PATIENTS)}."),
    ],
)
def test_an_unknown_diagnosis_is_told_what_to_choose_from(answer: object, words: str) -> None:
    assert case_of("no eval", USUAL).verdict(answer) == (False, words)


@pytest.mark.parametrize("answer", ["no eval", " No Eval\n"])
def test_a_right_diagnosis_is_shown_the_line(answer: str, capsys: pytest.CaptureFixture) -> None:
    case_of("no eval", USUAL).diagnose(answer)
    assert "Patient 1: right. The line `model.eval()` is missing." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no zero_grad", "The line `optimizer.zero_grad()` is missing."),
        ("validation not normalized", "It has `val_images = val_pixels.unsqueeze(1) / 255` where it should have"),
        ("validation images in training", "One line is too many: `pixels, labels = torch.cat([pixels, val_pixels]),"),
    ],
)
def test_a_mistake_in_words(name: str, words: str) -> None:
    (change,) = PATIENTS[name].changes.items()
    assert cases.mistake(change).startswith(words)


# --- sources ---


@pytest.mark.parametrize("name", PATIENTS)
def test_a_patients_source_differs_from_the_healthy_one_in_its_lines_alone(name: str) -> None:
    changes, source = PATIENTS[name].changes, patients.changed(PATIENTS[name].changes)
    ast.parse(source)
    pairs = [line for line in difflib.ndiff(patients.SOURCE.splitlines(), source.splitlines()) if line[0] in "+-"]
    gone = [line[2:].strip() for line in pairs if line[0] == "-"]
    new = [line[2:].strip() for line in pairs if line[0] == "+"]
    expected = [line for text in changes.values() for line in text.splitlines()]
    assert sorted(gone) == sorted(old for old in changes if old not in expected)
    assert sorted(new) == sorted(line for line in expected if line not in changes)


@pytest.mark.parametrize(
    ("line", "count"), [("model.evaluate()", 0), ("import", 0), ("", patients.SOURCE.count("\n\n")), ("return", 0)]
)
def test_a_line_that_is_not_there_exactly_once_is_refused(line: str, count: int) -> None:
    with pytest.raises(ValueError) as error:
        patients.changed({line: "pass"})
    assert str(error.value).startswith(f"line: {line!r} is there ")
    assert str(error.value).endswith(" times; give a line that is there once")


def test_a_line_may_be_indented_as_the_learner_likes() -> None:
    assert patients.changed({"    model.eval() ": "pass"}) == patients.changed({"model.eval()": "pass"})


# --- cases ---


def test_the_chapters_cases_are_the_twelve_in_an_order_of_their_own(digits: data.Dataset) -> None:
    admitted = cases.admit(digits, None, 0)
    assert list(admitted) == list(range(1, 13))
    assert sorted(ORDER) == sorted(PATIENTS)
    for number, name in enumerate(ORDER, 1):
        case = admitted[number]
        case.says = USUAL
        assert case.title == f"Patient {number}"
        assert case.verdict(name)[0]


def name_of(case: Case) -> str:
    """Return the mistake of a case that isn't trained."""
    case.says = USUAL
    (name,) = [name for name in PATIENTS if case.verdict(name)[0]]
    return name


def test_a_hidden_patient_is_the_same_again_and_any_of_the_twelve(digits: data.Dataset) -> None:
    names = [name_of(cases.hide(number, digits)) for number in range(100)]
    assert names == [name_of(cases.hide(number, digits)) for number in range(100)]
    assert set(names) == set(PATIENTS)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What stands in figures that are shown, and their alt texts; trainings have two steps."""
    for name, short in {"STEPS": 2, "IMAGES": 128, "VAL_IMAGES": 64, "BY_HEART": 1}.items():
        monkeypatch.setattr(patients, name, short)
    words: list[str] = []

    def show(figure: plt.Figure, alt: str) -> None:
        words.extend([alt, *(text.get_text() for text in figure.findobj(Text))])

    monkeypatch.setattr(cases.plotting, "show", show)
    yield words
    plt.close("all")


def test_nothing_that_a_case_shows_names_its_mistake(
    shown: list[str], digits: data.Dataset, capsys: pytest.CaptureFixture
) -> None:
    hidden = {
        name_of(case): cases.hide(number, digits) for number in range(60) for case in [cases.hide(number, digits)]
    }
    assert set(hidden) == set(PATIENTS)
    for name, case in hidden.items():
        shown.clear()
        case.sheet()
        for test in (..., *TESTS):
            case.order(test)
        words = " ".join([*shown, capsys.readouterr().out, case.title])
        assert case.title in words
        assert not [told for told in (name, *PATIENTS[name].changes.values()) if told and told in words]


def test_a_test_is_ordered_by_name(capsys: pytest.CaptureFixture) -> None:
    case = case_of("no eval", USUAL | {"evaluated twice": "two results"})
    case.order(...)
    case.order("evaluated twice")
    none, done = capsys.readouterr().out.splitlines()
    assert none.startswith("Patient 1: no test ordered yet.")
    assert done == "Patient 1, evaluated twice. Here two evaluations in a row give different answers."
    with pytest.raises(ValueError, match=r"^test: unknown test 'x-ray'; choose one of shared images, .* twice$"):
        case.order("x-ray")


def test_a_planted_mistake_is_trained_and_judged_by_its_signs(shown: list[str], digits: data.Dataset) -> None:
    case = cases.plant({"model.eval()": "model.eval().train()"}, digits)
    assert case.says["evaluated twice"] == "two results"
    assert case.verdict("no eval") == (
        False,
        "It would show these signs, too. Order another test, and compare the sheets.",
    )
    assert case.verdict("sorted batches")[1].endswith("Here the first batch holds nearly all classes.")
    assert cases.plant({"model.eval()": ""}, digits).verdict("no eval")[0]
    with pytest.raises(ValueError, match=r"^line: 'model.evil\(\)' is there 0 times"):
        cases.plant({"model.evil()": ""}, digits)


# --- recording ---


@pytest.fixture
def measured(tmp_path: object, monkeypatch: pytest.MonkeyPatch, digits: data.Dataset) -> list[tuple[str, int]]:
    """Which trainings were run; none of them really is."""
    done: list[tuple[str, int]] = []
    names = {str(changes): name for name, changes in clinic_record.TRAININGS.items()}

    def measured(changes: dict, dataset: data.Dataset, seed: int) -> dict[str, float]:
        if len(done) == 7:
            raise KeyboardInterrupt
        done.append((names[str(changes)], seed))
        return TRAININGS[0][3]["numbers"] | {"one batch": math.nan}

    monkeypatch.setattr(clinic_record, "RESULT", tmp_path / "clinic.json")
    monkeypatch.setattr(clinic_record, "PART", tmp_path / "runs" / "clinic.json")
    monkeypatch.setattr(clinic_record, "DATASETS", ("digits",))
    monkeypatch.setattr(clinic_record, "SEEDS", dict.fromkeys(PATIENTS, 1) | {HEALTHY: 2})
    monkeypatch.setattr(clinic_record, "measured", measured)
    monkeypatch.setattr(record, "record", lambda: pytest.fail("the sweeps are run"))
    return done


def test_a_stopped_record_goes_on_where_it_was(measured: list, capsys: pytest.CaptureFixture) -> None:
    expected = [(HEALTHY, 0), (HEALTHY, 1), *((name, 0) for name in PATIENTS)]
    assert main(["record", "--clinic"]) == 130
    assert not clinic_record.RESULT.exists()
    first = measured.copy()
    measured.clear()
    measured_again = main(["record", "--clinic"])
    assert (measured_again, first + measured) == (0, expected)
    written = read_json(clinic_record.RESULT)
    assert [len(runs) for runs in written["runs"]["digits"].values()] == [2, *[1] * 12]
    assert written["runs"]["digits"][HEALTHY][0]["says"] == USUAL | {"one batch": "not learned"}  # NaN is null in JSON


def test_what_other_code_has_recorded_is_run_again(measured: list, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["record", "--clinic"]) == 130
    monkeypatch.setattr(clinic_record, "code", lambda: "other code")
    measured.clear()
    assert main(["record", "--clinic"]) == 130
    assert measured[0] == (HEALTHY, 0)
