"""Settings: where files are, whatever folder a chapter was started from, and what a parameter may be."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

CODE = Path(__file__).resolve().parent.parent  # holds helpers/ and course/: a clone, or what pip installs into
INSTALLED = (CODE / "course" / "notebooks").is_dir()  # where pip puts them; in a clone they are beside helpers/
FILES = CODE / "course" if INSTALLED else CODE  # holds notebooks/ and results/, which chapters and commands only read


def find_root() -> Path:
    """Return the folder that everything is written into: the clone, an installed copy's own, or MNIST_COURSE_HOME."""
    if given := os.environ.get("MNIST_COURSE_HOME"):
        # Absolute from now on, since kernels and other processes that we start are in other folders.
        os.environ["MNIST_COURSE_HOME"] = os.path.abspath(os.path.expanduser(given))
        return Path(os.environ["MNIST_COURSE_HOME"])
    return user_data_path("mnist-course", appauthor=False) if INSTALLED else CODE


ROOT = find_root()


def from_root(path: str | Path) -> Path:
    """Return `path` as an absolute path; a relative one starts at the course's root folder, `~` is the home folder.

    Raises:
        ValueError: `path` starts with `~NAME`, and nobody here has that name.
    """
    try:
        return ROOT / Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"'{path}': there is no such home folder; give another path") from None


def shown(path: str | Path) -> str:
    """Return `path` as a reader should see it: from the top of the course's files if it is one, else `with_tilde`."""
    path = from_root(path)
    return path.relative_to(FILES).as_posix() if path.is_relative_to(FILES) else with_tilde(path)


def with_tilde(path: str | Path) -> str:
    """Return `path` with `~` for the home folder, whose name is often a person's: for what is kept and handed on."""
    path, home = Path(path), Path(os.path.expanduser("~"))
    inside = path.is_relative_to(home) and home != home.parent  # in a container it may be the root of all files
    return str("~" / path.relative_to(home)) if inside else str(path)


TITLES = {  # of the data sets, in prose; all but the last are the names of torchvision's classes as well
    "mnist": "MNIST",
    "fashion": "FashionMNIST",
    "kmnist": "KMNIST",
    "qmnist": "QMNIST",
    "digits": "the embedded digits",
}
DATASETS = ("auto", *TITLES)
DEVICES = ("auto", "cpu", "cuda", "mps")
# The recipes of `helpers.recipes`.
LADDER = ("course", "one_cycle", "less_dropout", "augmented", "best")  # each step adds to the one before
ABLATIONS = (  # the best recipe with one thing changed
    "constant_rate",
    "longer_steps",
    "larger_batches",
    "no_decay",
    "old_dropout",
    "no_augmentation",
    "more_augmentation",
)
DECAY = ("weaker_decay", "adamw_stronger_decay")  # what part the optimizer and its weight decay have in the last step
ONE_EPOCH = ("fast", "sharp_labels", "short_warm_up", "twice_the_batch")  # for a single epoch
RECIPES = (*LADDER, *ABLATIONS, *DECAY, "small_network", "large_network", *ONE_EPOCH, "fast_small")


@dataclass(frozen=True)
class Rule:
    """What one parameter may be.

    Attributes:
        allowed: the rule in words, for the error message.
        parse: turns a word from the command line into a value; raises ValueError if it can't.
        accepts: tells whether a Python value obeys the rule.
    """

    allowed: str
    parse: Callable[[str], object]
    accepts: Callable[[object], bool]


def _is_whole(value: object, minimum: int, maximum: int) -> bool:
    # Python counts True as 1; a learner doesn't.
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum


def _whole_number(minimum: int, maximum: int) -> Rule:
    allowed = f"a whole number from {minimum} to {maximum}"
    return Rule(allowed, int, lambda value: _is_whole(value, minimum, maximum))


def _one_of(choices: tuple[str, ...]) -> Rule:
    return Rule(f"one of {', '.join(choices)}", str, lambda value: value in choices)


def _none_or_int(text: str) -> int | None:
    return None if text == "None" else int(text)


def _bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _is_folder_name(value: object) -> bool:
    # What starts with ~ after this names a home folder that isn't there.
    return isinstance(value, str) and value.strip() != "" and not os.path.expanduser(value).startswith("~")


def _is_empty_or_file(value: object) -> bool:
    if not isinstance(value, str) or os.path.expanduser(value).startswith("~"):
        return False
    return value == "" or os.path.isfile(from_root(value))  # False, too, for what can be no file's name


_FOLDER = Rule("a folder's name; ~ is your home folder", str, _is_folder_name)
_TRUE_OR_FALSE = Rule("True or False", _bool, lambda value: isinstance(value, bool))

# The upper bounds are far above anything useful, and low enough that nothing overflows. NumPy takes seeds of 32 bits.
RULES: dict[str, Rule] = {
    "dataset": _one_of(DATASETS),
    "data_dir": _FOLDER,
    "run_dir": _FOLDER,
    "device": _one_of(DEVICES),
    "drawing": Rule(
        "nothing, or the file of a picture, from the course's root or with its whole path", str, _is_empty_or_file
    ),
    "recipe": _one_of(RECIPES),
    "seed": _whole_number(0, 2**32 - 1),
    "seeds": _whole_number(2, 100),
    "sweep_seeds": _whole_number(1, 100),
    "epochs": _whole_number(1, 10_000),
    "short_epochs": _whole_number(1, 10_000),
    "batch_size": _whole_number(1, 1_000_000),
    "timed_images": _whole_number(1, 1_000_000),
    "turns": _whole_number(1, 1_000),
    "processes": _whole_number(0, 64),
    "max_restarts": _whole_number(0, 1_000),
    "dropout": _TRUE_OR_FALSE,
    "measure": _TRUE_OR_FALSE,
    "resume": _TRUE_OR_FALSE,
    "open_test_set": _TRUE_OR_FALSE,
    "val_size": Rule(
        "a whole number from 1 to 1000000, or None for one image in six",
        _none_or_int,
        lambda value: value is None or _is_whole(value, 1, 1_000_000),
    ),
    "learning_rate": Rule(
        "a number above 0, at most 100",
        float,
        lambda value: _is_whole(value, 1, 100) or (isinstance(value, float) and 0 < value <= 100),
    ),
}


def check(**values: object) -> None:
    """Check parameters against the rules, the first offender first.

    Args:
        values: parameters by name; each name needs an entry in `RULES`.

    Raises:
        ValueError: names the parameter, the value that was given and what is allowed.
    """
    for name, value in values.items():
        if not RULES[name].accepts(value):
            raise ValueError(f"{name}: got {value!r} ({type(value).__name__}); give {RULES[name].allowed}")


def checked(namespace: dict[str, object]) -> dict[str, object]:
    """Return a chapter's parameters by name, checked: `parameters = settings.checked(globals())`.

    Args:
        namespace: the notebook's names, right after its cell of parameters; all others are left out.

    Raises:
        ValueError: as `check`.
    """
    found = {name: namespace[name] for name in RULES if name in namespace}
    check(**found)
    return found


def parse(name: str, text: str) -> object:
    """Turn a word from the command line into a checked value: `parse("epochs", "3")` is the integer 3.

    Raises:
        ValueError: as `check`; also when the word can't be read as the parameter's type.
    """
    try:
        value = RULES[name].parse(text)
    except ValueError:
        raise ValueError(f"{name}: got {text!r}; give {RULES[name].allowed}") from None
    check(**{name: value})
    return value
