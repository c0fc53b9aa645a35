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

from helpers import checkpoint, training
from helpers.model import BatchNormNet, MNISTClassification

ADAM, SGD = torch.optim.Adam, partial(torch.optim.SGD, momentum=0.9)
METHODS = {  # each schedule once with Adam or SGD
    "no schedule, Adam": (ADAM, None),
    "no schedule, SGD": (SGD, None),
    "StepLR": (ADAM, partial(lr_scheduler.StepLR, step_size=1, gamma=0.5)),
    "MultiStepLR": (SGD, partial(lr_scheduler.MultiStepLR, milestones=[1, 3])),
    "CosineAnnealingLR": (ADAM, partial(lr_scheduler.CosineAnnealingLR, T_max=4)),
    "CosineAnnealingWarmRestarts": (SGD, partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=2)),
    "OneCycleLR, Adam": (ADAM, partial(lr_scheduler.OneCycleLR, max_lr=0.01, total_steps=5)),
    "OneCycleLR, SGD": (SGD, partial(lr_scheduler.OneCycleLR, max_lr=0.01, total_steps=5)),
    "LambdaLR": (ADAM, partial(lr_scheduler.LambdaLR, lr_lambda=lambda epoch: 1 / (epoch + 1))),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint's name in a folder that isn't there yet."""
    return tmp_path / "run" / "checkpoint.pt"


def one_line(error: pytest.ExceptionInfo) -> str:
    message = str(error.value)
    assert message and "\n" not in message
    return message


def files_beside(path: Path) -> list[str]:
    return [file.name for file in path.parent.iterdir()]


# --- going on ---


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_equals_the_straight_one(easy: TensorDataset, path: Path, method: str) -> None:
    """It writes no checkpoints, so that they are shown to change no number, either."""
    optimizer_class, schedule = METHODS[method]
    start = partial(Start, easy, optimizer_class=optimizer_class, schedule=schedule)
    straight = start()
    history = straight.fit(4)
    after_training = torch.rand(3)
    first = start()
    first.fit(1, checkpoint=path)
    first.resume(2, path)  # a learner reruns one cell: model, optimizer and schedule are already on their way
    start().resume(3, path)
    last = start()
    assert numbers(last.resume(4, path)) == numbers(history)
    assert equal(weights(last.model), weights(straight.model))
    assert torch.equal(torch.rand(3), after_training)  # whatever is drawn later is the same, too
    assert torch.equal(*(training.predict(run.model, run.val)[0] for run in (straight, last)))


def test_resume_begins_where_there_is_no_checkpoint(easy: TensorDataset, path: Path) -> None:
    straight = Start(easy)
    history = straight.fit(2)
    run = Start(easy)
    assert numbers(run.resume(2, path)) == numbers(history)
    assert equal(weights(run.model), weights(straight.model))
    assert files_beside(path) == ["checkpoint.pt"]


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
        assert files_beside(path) == ["checkpoint.pt"]


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


def changed(easy: TensorDataset, what: str) -> TensorDataset:
    """Return the images with one pixel or all labels changed."""
    images, labels = (tensor.clone() for tensor in easy.tensors)
    images[3, 0, 0, 0] += 0.001 * (what == "pixel")
    return TensorDataset(images, labels.roll(1) if what == "labels" else labels)


def other_network(easy: TensorDataset, width: int) -> Start:
    run = Start(easy)
    run.model.fc_block[0], run.model.fc_block[3] = nn.Linear(320, width), nn.Linear(width, 10)
    run.optimizer = torch.optim.Adam(run.model.parameters(), lr=run.lr)
    return run


def with_bare_parameter(easy: TensorDataset) -> Start:
    run = Start(easy)
    run.model.bare = nn.Parameter(torch.zeros(2))
    return run


OTHER_RUNS = {  # how it is made, and the difference that is named
    "labels": (
        lambda easy: Start(changed(easy, "labels")),
        r"images in train_batches is 100 \(checksum \w{8}\) in the file and 100 \(checksum \w{8}\) here",
    ),
    "pixel": (lambda easy: Start(changed(easy, "pixel")), r"images in train_batches is 100 \(checksum"),
    "val_size": (lambda easy: Start(easy, val_count=30), r"images in val_batches is 40 \(.*and 30 \("),
    "batch size": (
        lambda easy: Start(easy, batch_size=20),
        "batch size of train_batches is 16 in the file and 20 here",
    ),
    "order": (lambda easy: Start(easy, order_seed=1), "seed of train_batches is 0 in the file and 1 here"),
    "seed": (lambda easy: Start(easy, seed=5), "seed of torch is 0 in the file and 5 here"),
    "dropout": (
        lambda easy: Start(easy, fc_dropout=0.1),
        r"layer fc_block\.2 is Dropout\(p=0\.5, .*\) in the file and Dropout\(p=0\.1, .*\) here",
    ),
    "width": (lambda easy: other_network(easy, 60), r"layer fc_block\.0 is Linear\(.*=50, .*Linear\(.*=60, "),
    "learning rate": (lambda easy: Start(easy, lr=0.01), "learning rate is 0.003 in the file and 0.01 here"),
    "optimizer": (
        lambda easy: Start(easy, optimizer_class=torch.optim.RMSprop),
        "optimizer is Adam in the file and RMSprop here",
    ),
    "hyperparameter": (
        lambda easy: Start(easy, optimizer_class=partial(ADAM, betas=(0.8, 0.999))),
        r"betas is \(0\.9, 0\.999\) in the file and \(0\.8, 0\.999\) here",
    ),
    "scheduler": (
        lambda easy: Start(easy, schedule=partial(lr_scheduler.ExponentialLR, gamma=1.0)),
        "scheduler is none in the file and ExponentialLR here",
    ),
}


@pytest.mark.parametrize("case", OTHER_RUNS)
def test_another_runs_checkpoint_is_refused(easy: TensorDataset, path: Path, case: str) -> None:
    make, difference = OTHER_RUNS[case]
    Start(easy).fit(1, checkpoint=path)
    before, run = path.read_bytes(), make(easy)
    untouched = weights(run.model)
    with pytest.raises(ValueError, match=difference) as error:
        run.resume(2, path)
    assert one_line(error).startswith(f"{path}: belongs to another run: ")
    assert equal(weights(run.model), untouched)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("name", "value"), [("dataset", "fashion"), ("seed", None)])
def test_another_setting_is_refused_before_all_else(easy: TensorDataset, path: Path, name: str, value: object) -> None:
    Start(easy).fit(1, checkpoint=path, config=SETTINGS)
    line = f"another run: {name} is {SETTINGS[name]!r} in the file and {value!r} here; give its settings or a new file"
    with pytest.raises(ValueError, match=line):
        Start(easy, batch_size=20).resume(2, path, config=SETTINGS | {name: value})


def test_a_parameter_outside_of_the_layers_is_compared_too(easy: TensorDataset, path: Path) -> None:
    with_bare_parameter(easy).fit(1, checkpoint=path)
    run = Start(easy)
    untouched = weights(run.model)
    with pytest.raises(ValueError, match=r'holds no weights of this network: Unexpected key\(s\).*"bare"') as error:
        run.resume(2, path)
    one_line(error)
    assert equal(weights(run.model), untouched)


def test_a_schedule_with_other_settings_is_refused(easy: TensorDataset, path: Path) -> None:
    """With a schedule that ends with the last epoch, more epochs would have been another run from the start."""

    def run(epochs: int) -> Start:
        return Start(easy, schedule=partial(lr_scheduler.CosineAnnealingLR, T_max=epochs))

    run(2).fit(2, checkpoint=path)
    with pytest.raises(ValueError, match="T_max of the scheduler is 2 in the file and 3 here"):
        run(3).resume(3, path)


def test_settings_that_change_nothing_may_change(easy: TensorDataset, path: Path) -> None:
    Start(easy).fit(1, checkpoint=path, config=SETTINGS)
    assert len(Start(easy).resume(3, path, config=SETTINGS | {"epochs": 3, "run_dir": "runs/b", "device": "cpu"})) == 3


def test_fewer_epochs_than_are_done_are_refused(easy: TensorDataset, path: Path) -> None:
    Start(easy).fit(3, checkpoint=path)
    with pytest.raises(ValueError, match=r"^epochs: got 2, but .* already has 3; give 3 or more$"):
        Start(easy).resume(2, path)


def test_resume_needs_a_checkpoint_and_known_batches(easy: TensorDataset, path: Path) -> None:
    run = Start(easy)
    with pytest.raises(ValueError, match=r"^resume: needs a checkpoint; "):
        run.fit(1, resume=True)
    run.train = list(run.train)
    with pytest.raises(ValueError, match=r"^train_batches: got list; a checkpoint needs a DataLoader$"):
        run.fit(1, checkpoint=path)


# --- weights ---


@pytest.mark.parametrize("build", [MNISTClassification, BatchNormNet])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_weights_survive_the_file(
    build: Callable[[], nn.Module], memory_format: torch.memory_format, easy: TensorDataset, path: Path
) -> None:
    model, other = build().to(memory_format=memory_format), build()
    assert checkpoint.save_weights(model, path) == path
    checkpoint.load_weights(other, path)
    assert equal(weights(model), weights(other))
    assert files_beside(path) == [path.name]


def test_safetensors_of_another_program_are_read(path: Path) -> None:
    from safetensors.torch import save_file

    model, other = MNISTClassification(), MNISTClassification()
    path.parent.mkdir()
    save_file(model.state_dict(), path)  # without our checksum
    checkpoint.load_weights(other, path)
    assert equal(weights(model), weights(other))


def test_weights_of_another_network_are_refused_and_change_nothing(path: Path) -> None:
    other, model = MNISTClassification(), MNISTClassification()
    other.fc_block[3] = nn.Linear(50, 26)
    checkpoint.save_weights(other, path)
    before = weights(model)
    line = r"checkpoint\.pt: holds no weights of this network: size mismatch for fc_block\.3\.weight: .*\[26, 50\]"
    with pytest.raises(ValueError, match=line) as error:
        checkpoint.load_weights(model, path)
    one_line(error)
    assert equal(weights(model), before)


def test_missing_weights_are_named(path: Path) -> None:
    with pytest.raises(ValueError, match=r"checkpoint\.pt: there is no such file$"):
        checkpoint.load_weights(MNISTClassification(), path)
    path.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"checkpoint\.pt: can't be read \(Is a directory\)$|Permission denied"):
        checkpoint.load_weights(MNISTClassification(), path)


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
HOLDS_CODE = ("a foreign pickle in torch's clothes", "a whole network")


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line_that_names_it(easy: TensorDataset, path: Path, case: str) -> None:
    run = Start(easy)
    run.fit(1, checkpoint=path)
    BAD_FILES[case](path)
    with pytest.raises(ValueError) as error:
        run.resume(2, path)
    assert one_line(error).startswith(f"{path}: ")
    assert ("could run its code" in str(error.value)) == (case in HOLDS_CODE)

    BAD_FILES[case](checkpoint.save_weights(run.model, path))
    with pytest.raises(ValueError) as error:
        checkpoint.load_weights(run.model, path)
    assert one_line(error) == f"{path}: damaged, cut short, or no safetensors file; delete it or give another"
    assert not path.with_name("intruded").exists()


def test_the_traps_do_work(path: Path) -> None:
    path.parent.mkdir()
    for case in BAD_FILES:
        if case.startswith("a foreign pickle"):
            BAD_FILES[case](path)
            pickle.loads(path.read_bytes()) if case.endswith("pickle") else torch.load(path, weights_only=False)
            path.with_name("intruded").unlink()  # it was there


@pytest.mark.parametrize("kind", ["weights", "checkpoint"])
def test_a_flipped_bit_never_passes(easy: TensorDataset, path: Path, kind: str) -> None:
    """A bit may be where nothing depends on it, such as the padding between two parts; else it is found."""
    run, other = Start(easy), MNISTClassification()
    if kind == "weights":
        checkpoint.save_weights(run.model, path)
    else:
        run.fit(1, checkpoint=path)

    def load() -> dict:
        if kind == "checkpoint":
            return checkpoint.safe_load(path, checkpoint.parse_checkpoint)["state"]["model"]
        checkpoint.load_weights(other, path)
        return other.state_dict()

    content, expected, found = path.read_bytes(), weights(run.model), 0
    for position in [*range(0, 800, 8), *range(800, len(content), len(content) // 200)]:
        path.write_bytes(content[:position] + bytes([content[position] ^ 16]) + content[position + 1 :])
        try:
            assert equal(load(), expected)
        except ValueError as error:
            assert "\n" not in str(error)
            found += 1
    assert found > 200


def test_weights_and_checkpoints_are_not_mixed_up(easy: TensorDataset, path: Path) -> None:
    run = Start(easy)
    run.fit(1, checkpoint=path)
    with pytest.raises(ValueError, match=r"damaged, cut short, or no safetensors file; delete it or give another$"):
        checkpoint.load_weights(run.model, path)
    checkpoint.save_weights(run.model, path)
    with pytest.raises(ValueError, match=r"damaged, cut short, or no checkpoint; delete it or give another$"):
        run.resume(2, path)
    torch.save(run.model.state_dict(), path)
    with pytest.raises(ValueError, match=r"holds no checkpoint of training\.fit; give another file$"):
        run.resume(2, path)


# --- writing ---


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_keeps_the_last_checkpoint_and_the_history(
    easy: TensorDataset, path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_epochs = Start(easy)
    history = two_epochs.fit(2)
    run = Start(easy)
    run.fit(1, checkpoint=path)
    before = path.read_bytes()
    with monkeypatch.context() as patch, pytest.raises(training.TrainingError) as error:
        patch.setattr(checkpoint.os, step, no_space)
        run.resume(3, path)
    assert str(error.value) == (
        f"{path}: can't be written (No space left on device); what was there before still is; "
        "the model is as after epoch 2"
    )
    assert numbers(error.value.history) == numbers(history)
    assert equal(weights(run.model), weights(two_epochs.model))
    assert path.read_bytes() == before
    assert files_beside(path) == ["checkpoint.pt"]
    assert numbers(Start(easy).resume(2, path)) == numbers(history)  # a later call succeeds


def test_a_disk_that_is_full_keeps_the_history(easy: TensorDataset, path: Path) -> None:
    """A real one, as far as a test can fill it: no file may grow beyond 100,000 bytes."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    run = Start(easy)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(training.TrainingError, match=r"\(File too large\); .* as after epoch 1$") as error:
            run.fit(3, checkpoint=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    one_line(error)
    assert numbers(error.value.history) == numbers(Start(easy).fit(1))
    assert files_beside(path) == []


def test_weights_that_cant_be_written_leave_the_old_ones(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save_weights(MNISTClassification(), path)
    before = path.read_bytes()
    monkeypatch.setattr(checkpoint.os, "fsync", no_space)
    line = r"checkpoint\.pt: can't be written \(No space left on device\); what was there before still is$"
    with pytest.raises(OSError, match=line) as error:
        checkpoint.save_weights(MNISTClassification(), path)
    assert error.value.strerror == "No space left on device"
    assert path.read_bytes() == before
    assert files_beside(path) == [path.name]


def test_a_place_that_cant_be_written_is_refused_before_training(
    easy: TensorDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(training, "train_epoch", None)  # nobody may call it
    for path in (tmp_path / "file" / "checkpoint.pt", tmp_path):
        with pytest.raises(ValueError, match=r"^checkpoint: .* (can't be written|is a folder)") as error:
            Start(easy).fit(1, checkpoint=path)
        one_line(error)
