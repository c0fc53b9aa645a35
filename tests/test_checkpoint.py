"""A run that goes on from its checkpoint ends as if it had never stopped; any other file is refused in one line."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import TensorDataset
from training_runs import Start, equal, numbers, weights

from helpers import checkpoint, data, training
from helpers.model import MNISTClassification

SCHEDULES = {
    "none": None,
    "StepLR": partial(lr_scheduler.StepLR, step_size=1, gamma=0.5),
    "MultiStepLR": partial(lr_scheduler.MultiStepLR, milestones=[1, 3]),
    "CosineAnnealingLR": partial(lr_scheduler.CosineAnnealingLR, T_max=4),
    "CosineAnnealingWarmRestarts": partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=2),
    "OneCycleLR": partial(lr_scheduler.OneCycleLR, max_lr=0.01, total_steps=5),
    "LambdaLR": partial(lr_scheduler.LambdaLR, lr_lambda=lambda epoch: 1 / (epoch + 1)),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint's name in a folder that isn't there yet."""
    return tmp_path / "run" / "checkpoint.pt"


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert message and "\n" not in message
    return message


# --- going on ---


def test_writing_checkpoints_changes_no_number(easy: TensorDataset, path: Path) -> None:
    plain = Start(easy)
    history = plain.fit(3)
    kept = Start(easy)
    assert numbers(kept.fit(3, checkpoint=path)) == numbers(history)
    assert equal(weights(plain.model), weights(kept.model))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer_class", [torch.optim.Adam, partial(torch.optim.SGD, momentum=0.9)])
def test_a_resumed_run_equals_the_straight_one(
    easy: TensorDataset, path: Path, schedule: str, optimizer_class: Callable
) -> None:
    start = partial(Start, easy, schedule=SCHEDULES[schedule], optimizer_class=optimizer_class)
    straight = start()
    history = straight.fit(4)
    after_training = torch.rand(3)
    start().fit(1, checkpoint=path)
    start().resume(3, path)
    last = start()
    assert numbers(last.resume(4, path)) == numbers(history)
    assert equal(weights(last.model), weights(straight.model))
    assert torch.equal(torch.rand(3), after_training)  # whatever is drawn later is the same, too
    batches = data.make_batches(easy, 50)
    assert torch.equal(*(training.predict(run.model, batches)[0] for run in (straight, last)))


def test_the_same_objects_can_go_on_too(easy: TensorDataset, path: Path) -> None:
    """A learner reruns one cell, and model, optimizer and schedule are already on their way."""
    for schedule in SCHEDULES.values():
        straight = Start(easy, schedule=schedule)
        history = straight.fit(3)
        run = Start(easy, schedule=schedule)
        run.fit(2, checkpoint=path)
        assert numbers(run.resume(3, path)) == numbers(history)
        assert equal(weights(run.model), weights(straight.model))


def test_resume_begins_where_there_is_no_checkpoint(easy: TensorDataset, path: Path) -> None:
    straight = Start(easy)
    history = straight.fit(2)
    run = Start(easy)
    assert numbers(run.resume(2, path)) == numbers(history)
    assert equal(weights(run.model), weights(straight.model))
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_a_complete_run_is_not_trained_again(
    easy: TensorDataset, path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = Start(easy), Start(easy)
    history = first.fit(2, checkpoint=path)
    before = path.read_bytes()
    capsys.readouterr()
    monkeypatch.setattr(training, "train_epoch", None)  # nobody may call it
    assert again.resume(2, path) == history  # even the seconds
    assert equal(weights(again.model), weights(first.model))
    assert not again.model.training
    assert path.read_bytes() == before
    assert capsys.readouterr().out == f"{path}: 2 of 2 epochs are done\n"


def test_without_resume_the_run_begins_anew(easy: TensorDataset, path: Path) -> None:
    history = Start(easy).fit(2, checkpoint=path)
    assert numbers(Start(easy, lr=0.001).fit(1, checkpoint=path)) != numbers(history[:1])
    with pytest.raises(ValueError, match=r"learning rate is 0\.001 in the file and 0.003 here"):
        Start(easy).resume(2, path)


def test_what_a_killed_run_left_goes_at_the_next(easy: TensorDataset, path: Path) -> None:
    Start(easy).fit(1, checkpoint=path)
    for run in (partial(Start(easy).resume, 1, path), partial(Start(easy).fit, 1, checkpoint=path)):
        path.with_name("checkpoint.pt.part").write_bytes(b"half of it")
        run()
        assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_an_accelerators_random_numbers_are_kept(easy: TensorDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the accelerator, whose random state is one number."""
    drawn = [7]
    stand_in = type("", (), {"get_rng_state": lambda: drawn[0], "set_rng_state": lambda state: drawn.append(state)})
    monkeypatch.setattr(checkpoint.TrainingState, "device", torch.device("cuda"))
    monkeypatch.setattr(torch, "get_device_module", lambda device: stand_in)
    start = Start(easy)
    run = checkpoint.TrainingState(start.model, start.optimizer, None, start.train, start.val)
    run.restore(run.state([]))
    assert drawn == [7, 7]


# --- another run's checkpoint ---

SETTINGS = {"dataset": "mnist", "val_size": 40, "seed": 0, "epochs": 2, "run_dir": "runs/a", "device": "auto"}


def other_labels(dataset: TensorDataset) -> TensorDataset:
    images, labels = dataset.tensors
    return TensorDataset(images, labels.roll(1))


def other_pixel(dataset: TensorDataset) -> TensorDataset:
    images = dataset.tensors[0].clone()
    images[3, 0, 0, 0] += 0.001
    return TensorDataset(images, dataset.tensors[1])


OTHER_RUNS = {
    "other labels": (
        lambda easy: Start(other_labels(easy)),
        {},
        r"training images is 100 \(checksum \w{8}\) in the file and 100 \(checksum \w{8}\) here",
    ),
    "another pixel": (lambda easy: Start(other_pixel(easy)), {}, r"training images is 100 \(checksum"),
    "val_size": (lambda easy: Start(easy, val_count=30), {}, r"validation images is 40 \(.*and 30 \("),
    "batch size": (lambda easy: Start(easy, batch_size=20), {}, "batch size is 16 in the file and 20 here"),
    "order": (lambda easy: Start(easy, order_seed=1), {}, "seed of the order is 0 in the file and 1 here"),
    "seed": (lambda easy: Start(easy, seed=5), {}, "seed of torch is 0 in the file and 5 here"),
    "dropout": (
        lambda easy: Start(easy, fc_dropout=0.1),
        {},
        r"layer fc_block\.2 is Dropout\(p=0\.5, .*\) in the file and Dropout\(p=0\.1, .*\) here",
    ),
    "learning rate": (lambda easy: Start(easy, lr=0.01), {}, "learning rate is 0.003 in the file and 0.01 here"),
    "optimizer": (
        lambda easy: Start(easy, optimizer_class=torch.optim.RMSprop),
        {},
        "optimizer is Adam in the file and RMSprop here",
    ),
    "hyper-parameter": (
        lambda easy: Start(easy, optimizer_class=partial(torch.optim.Adam, betas=(0.8, 0.999))),
        {},
        r"betas is \(0\.9, 0\.999\) in the file and \(0\.8, 0\.999\) here",
    ),
    "schedule": (
        lambda easy: Start(easy, schedule=partial(lr_scheduler.ExponentialLR, gamma=1.0)),
        {},
        "schedule is none in the file and ExponentialLR here",
    ),
    "data set": (Start, {"dataset": "fashion"}, "dataset is 'mnist' in the file and 'fashion' here"),
    "no word of the seed": (Start, {"seed": None}, "seed is 0 in the file and None here"),
}


@pytest.mark.parametrize("case", OTHER_RUNS)
def test_another_runs_checkpoint_is_refused(easy: TensorDataset, path: Path, case: str) -> None:
    make, changed, difference = OTHER_RUNS[case]
    Start(easy).fit(1, checkpoint=path, config=SETTINGS)
    before, run = path.read_bytes(), make(easy)
    untouched = weights(run.model)
    with pytest.raises(ValueError, match=difference) as error:
        run.resume(2, path, config=SETTINGS | changed)
    assert one_line(error).startswith(f"{path}: belongs to another run: ")
    assert equal(weights(run.model), untouched)
    assert path.read_bytes() == before


@pytest.mark.parametrize("width", [40, 60])
def test_a_checkpoint_of_another_architecture_is_refused(easy: TensorDataset, path: Path, width: int) -> None:
    Start(easy).fit(1, checkpoint=path)
    run = Start(easy)
    run.model.fc_block[0], run.model.fc_block[3] = nn.Linear(320, width), nn.Linear(width, 10)
    run.optimizer = torch.optim.Adam(run.model.parameters(), lr=run.lr)
    with pytest.raises(ValueError, match=rf"layer fc_block\.0 is Linear\(.*=50, .*Linear\(.*={width}, ") as error:
        run.resume(2, path)
    one_line(error)


def test_a_schedule_with_other_settings_is_refused(easy: TensorDataset, path: Path) -> None:
    """With a schedule that ends with the last epoch, more epochs would have been another run from the start."""

    def run(epochs: int) -> Start:
        return Start(easy, schedule=partial(lr_scheduler.CosineAnnealingLR, T_max=epochs))

    run(2).fit(2, checkpoint=path)
    with pytest.raises(ValueError, match="T_max of the schedule is 2 in the file and 3 here"):
        run(3).resume(3, path)


def test_settings_that_change_nothing_may_change(easy: TensorDataset, path: Path) -> None:
    Start(easy).fit(1, checkpoint=path, config=SETTINGS)
    assert len(Start(easy).resume(3, path, config=SETTINGS | {"epochs": 3, "run_dir": "runs/b", "device": "cpu"})) == 3


def test_fewer_epochs_than_are_done_are_refused(easy: TensorDataset, path: Path) -> None:
    Start(easy).fit(3, checkpoint=path)
    with pytest.raises(ValueError, match=r"^epochs: got 2, but .* has 3 behind it; give 3 or more$"):
        Start(easy).resume(2, path)


def test_resume_needs_a_checkpoint_and_known_batches(easy: TensorDataset, path: Path) -> None:
    run = Start(easy)
    with pytest.raises(ValueError, match=r"^resume: needs a checkpoint; "):
        run.fit(1, resume=True)
    run.train = list(run.train)
    with pytest.raises(ValueError, match=r"^train_batches: got list; a checkpoint needs a DataLoader$"):
        run.fit(1, checkpoint=path)


# --- bad files ---


class Intruder:
    """An object that makes a file as soon as somebody unpickles it."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Callable, tuple]:
        return Path.touch, (self.path,)


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


BAD_FILES = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 100),
    "a web page": lambda path: path.write_text("<html>Please log in</html>"),
    "only its beginning": partial(cut, share=0.1),
    "half of it": partial(cut, share=0.5),
    "a byte too short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "another thing": lambda path: torch.save([1, 2], path),
    "a foreign pickle": lambda path: path.write_bytes(pickle.dumps(Intruder(path.parent / "intruded"))),
    "a foreign pickle in torch's clothes": lambda path: torch.save({"a": Intruder(path.parent / "intruded")}, path),
    "a whole network": lambda path: torch.save(MNISTClassification(), path),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line_that_names_it(easy: TensorDataset, path: Path, case: str) -> None:
    def as_checkpoint() -> None:
        run.fit(1, checkpoint=path)
        BAD_FILES[case](path)
        run.resume(2, path)

    def as_weights() -> None:
        BAD_FILES[case](checkpoint.save_weights(run.model, path))
        checkpoint.load_weights(run.model, path)

    run = Start(easy)
    for attempt in (as_checkpoint, as_weights):
        with pytest.raises(ValueError) as error:
            attempt()
        message = one_line(error)
        assert message.startswith(f"{path}: ")
        assert ("could run its code" in message) == (case.endswith("torch's clothes") or case == "a whole network")
        assert not path.with_name("intruded").exists()


def test_the_traps_do_work(path: Path) -> None:
    path.parent.mkdir()
    for case in BAD_FILES:
        if case.startswith("a foreign pickle"):
            BAD_FILES[case](path)
            pickle.loads(path.read_bytes()) if case.endswith("pickle") else torch.load(path, weights_only=False)
            path.with_name("intruded").unlink()  # it was there


def test_a_flipped_bit_never_passes(easy: TensorDataset, path: Path) -> None:
    """A bit may stand where nothing depends on it, such as the padding between two parts; else it is found."""
    checkpoint.save_weights(MNISTClassification(), path)
    content, whole = path.read_bytes(), checkpoint.safe_load(path)
    found = 0
    for position in range(0, len(content), len(content) // 300):
        path.write_bytes(content[:position] + bytes([content[position] ^ 16]) + content[position + 1 :])
        try:
            assert equal(checkpoint.safe_load(path), whole)
        except ValueError as error:
            assert "\n" not in str(error)
            found += 1
    assert found > 200


def test_weights_and_checkpoints_are_not_mixed_up(easy: TensorDataset, path: Path) -> None:
    run = Start(easy)
    run.fit(1, checkpoint=path)
    with pytest.raises(ValueError, match=r"holds no weights of this network: shape of conv_block\.0\.weight is absent"):
        checkpoint.load_weights(run.model, path)
    checkpoint.save_weights(run.model, path)
    with pytest.raises(ValueError, match=r"holds no checkpoint of training\.fit; give another file$"):
        run.resume(2, path)


def test_weights_of_another_network_are_refused(path: Path) -> None:
    other = MNISTClassification()
    other.fc_block[3] = nn.Linear(50, 26)
    checkpoint.save_weights(other, path)
    line = (
        r": holds no weights of this network: shape of fc_block\.3\.weight is .*\(26, 50\) in the file and .*\(10, 50\)"
    )
    with pytest.raises(ValueError, match=line) as error:
        checkpoint.load_weights(MNISTClassification(), path)
    one_line(error)


def test_missing_weights_are_named(path: Path) -> None:
    with pytest.raises(ValueError, match=r"checkpoint\.pt: there is no such file$"):
        checkpoint.load_weights(MNISTClassification(), path)
    path.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"checkpoint\.pt: can't be read \(Is a directory\)$|Permission denied"):
        checkpoint.load_weights(MNISTClassification(), path)


# --- writing ---


@pytest.mark.parametrize("step", [(torch, "save"), (checkpoint.os, "fsync"), (checkpoint.os, "replace")])
@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), RuntimeError("failed writing file")])
def test_a_write_that_fails_leaves_the_last_checkpoint(
    easy: TensorDataset, path: Path, step: tuple, problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = Start(easy).fit(2)
    run = Start(easy)
    run.fit(1, checkpoint=path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise problem

    with monkeypatch.context() as patch:
        patch.setattr(*step, fail)
        with pytest.raises(OSError, match=r"checkpoint\.pt: can't be written \(.*\); what was there before still is$"):
            run.resume(2, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]
    assert numbers(Start(easy).resume(2, path)) == numbers(history)  # a later call succeeds


def test_a_place_that_cant_be_written_is_refused_before_training(
    easy: TensorDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(training, "train_epoch", None)  # nobody may call it
    for path in (tmp_path / "file" / "checkpoint.pt", tmp_path):
        with pytest.raises(ValueError, match=r"^checkpoint: .* (can't be written|is a folder)") as error:
            Start(easy).fit(1, checkpoint=path)
        one_line(error)
