"""A run that goes on from its checkpoint ends as if it had never stopped; any other file is refused in one line."""

import copy
import json
import os
import pickle
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import TensorDataset
from training_runs import Start, equal, numbers, weights

from helpers import checkpoint, results, training
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
    """Return the names in the folder of `path`; locks stay there on purpose (see filelock's documentation)."""
    return [file.name for file in path.parent.iterdir() if file.suffix != ".lock"]


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


def test_the_weights_of_each_epoch_are_kept(easy: TensorDataset, path: Path) -> None:
    """Also by a run in two parts; and keeping them changes no number."""
    folder, run = path.parent / "epochs", Start(easy)
    ages = [weights(run.model)]
    run.fit(1, checkpoint=path, epoch_weights=folder)
    ages += [weights(run.model)]
    last = Start(easy)
    last.resume(2, path, epoch_weights=folder)
    ages += [weights(last.model)]
    assert [file.name for file in sorted(folder.iterdir())] == ["00.safetensors", "01.safetensors", "02.safetensors"]
    for number, expected in enumerate(ages):
        model = MNISTClassification()
        checkpoint.load_weights(model, folder / f"{number:02}.safetensors")
        assert equal(weights(model), expected)
    straight = Start(easy)
    straight.fit(2)
    assert equal(weights(straight.model), ages[-1])


def test_a_folder_for_each_epochs_weights_that_cannot_be_written_is_named(easy: TensorDataset, tmp_path: Path) -> None:
    path = tmp_path / "epochs"
    path.write_text("a file where the folder should be")
    with pytest.raises(training.TrainingError, match=r"00\.safetensors: can't be written .* as before training$"):
        Start(easy).fit(1, epoch_weights=path)


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
        path.with_name(".checkpoint.pt.x1y2z3.part").write_bytes(b"half of it")
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


# --- files that are made to do harm, or hold nonsense ---


def rewrite(path: Path, **zip_options: object) -> None:
    """Pack a checkpoint anew, with 64 MB of zeros in place of its first tensor."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[next(name for name in parts if name.endswith("/data/0"))] = bytes(64_000_000)
    with zipfile.ZipFile(path, "w", **zip_options) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def edit(path: Path, change: Callable[[dict], object]) -> None:
    """Load a checkpoint, change it, and write it again."""
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


def set_momentum(make: Callable[[], torch.Tensor]) -> Callable[[Path], None]:
    return partial(edit, change=lambda content: content["state"]["optimizer"]["state"][0].update(exp_avg=make()))


def set_part(whole: str, value: object) -> Callable[[Path], None]:
    return partial(edit, change=lambda content: content.update({whole: value}))


def set_in_state(name: str, value: object) -> Callable[[Path], None]:
    return partial(edit, change=lambda content: content["state"].update({name: value}))


def spoil_weights(content: dict) -> None:
    content["state"]["model"]["fc_block.3.bias"][2] = float("nan")


def nested(levels: int) -> list:
    content: list = []
    for _ in range(levels):
        content = [content, content]  # read by somebody who forgets what was read already, 2 ** levels lists
    return content


CODE, DAMAGED = "could run its code", "damaged, cut short, or no checkpoint"
NO_CHECKPOINT, UNFIT = "holds no checkpoint of training.fit", "holds a state that doesn't fit this run"
NONSENSE = {  # what is done to a checkpoint, and what is said
    "compressed": (partial(rewrite, compression=zipfile.ZIP_DEFLATED), DAMAGED),
    "other size than listed": (rewrite, DAMAGED),
    "TorchScript": (lambda path: torch.jit.save(torch.jit.script(nn.Linear(1, 1)), path), DAMAGED),
    "sparse": (set_momentum(lambda: torch.eye(2).to_sparse()), CODE),
    "meta": (set_momentum(lambda: torch.ones(2, device="meta")), CODE),
    "quantized": (set_momentum(lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)), CODE),
    "nested tensor": (set_momentum(lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])), CODE),
    "complex": (set_momentum(lambda: torch.ones(2, dtype=torch.complex64)), CODE),
    "expanded": (set_momentum(lambda: torch.ones(1).expand(10**12)), UNFIT),
    "momentum NaN": (set_momentum(lambda: torch.full((10, 1, 5, 5), float("nan"))), UNFIT),
    "weights NaN": (partial(edit, change=spoil_weights), "fc_block.3.bias has NaN or infinity in it"),
    "weights not tensors": (set_in_state("model", {"fc_block.3.bias": 1.0}), NO_CHECKPOINT),
    "identity a list": (set_part("identity", ["Adam"]), NO_CHECKPOINT),
    "identity of lists": (set_part("identity", {"optimizer": nested(100)}), NO_CHECKPOINT),
    "identity of two lines": (set_part("identity", {"optimizer": "Adam\nSGD"}), NO_CHECKPOINT),
    "state a list": (set_part("state", [1]), NO_CHECKPOINT),
    "history of strings": (set_in_state("history", ["epoch 1"]), NO_CHECKPOINT),
    "history with NaN": (set_in_state("history", [{"val_accuracy": float("nan")}]), NO_CHECKPOINT),
    "optimizer a number": (set_in_state("optimizer", 3), UNFIT),
    "optimizer without groups": (set_in_state("optimizer", {"state": {}, "param_groups": []}), UNFIT),
    "generators missing": (set_in_state("generators", {}), UNFIT),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused_in_one_line_and_changes_nothing(
    easy: TensorDataset, path: Path, case: str, recwarn: pytest.WarningsRecorder
) -> None:
    spoil, reason = NONSENSE[case]
    run = Start(easy)
    run.fit(1, checkpoint=path)
    spoil(path)
    untouched = weights(run.model), copy.deepcopy(run.optimizer.state_dict()), torch.get_rng_state()
    recwarn.clear()
    with pytest.raises(ValueError) as error:
        run.resume(2, path)
    assert one_line(error).startswith(f"{path}: ")
    assert reason in str(error.value)
    assert not recwarn.list
    assert equal(weights(run.model), untouched[0])
    assert str(run.optimizer.state_dict()) == str(untouched[1])
    assert torch.equal(torch.get_rng_state(), untouched[2])


@pytest.mark.filterwarnings("ignore::UserWarning")  # of PyTorch, when it makes the odd ones
@pytest.mark.parametrize("case", ["compressed", "sparse", "quantized", "nested tensor", "complex", "meta"])
def test_the_archives_directory_is_enough_to_refuse_it(
    easy: TensorDataset, path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = Start(easy), []
    run.fit(1, checkpoint=path)
    NONSENSE[case][0](path)
    monkeypatch.setattr(torch, "load", lambda *_, **__: calls.append(1))
    with pytest.raises(ValueError):
        run.resume(2, path)
    assert not calls


def test_lists_that_share_their_parts_are_looked_at_once(easy: TensorDataset, path: Path) -> None:
    """Somebody who forgot what they had seen would look at 2 ** 100 lists."""
    Start(easy).fit(1, checkpoint=path)
    set_in_state("more", nested(100))(path)
    assert len(Start(easy).resume(2, path)) == 2


WEIGHTS = {  # the weights in a safetensors file, changed, and what is said
    "NaN": ({"fc_block.3.bias": torch.full((10,), float("nan"))}, "fc_block.3.bias has NaN or infinity in it"),
    "infinity": ({"fc_block.3.bias": torch.full((10,), float("inf"))}, "fc_block.3.bias has NaN or infinity in it"),
    "complex": (
        {"fc_block.3.bias": torch.ones(10, dtype=torch.complex64)},
        "fc_block.3.bias is torch.complex64 in the file and torch.float32 here",
    ),
    "whole numbers": (
        {"fc_block.3.bias": torch.ones(10, dtype=torch.int64)},
        "fc_block.3.bias is torch.int64 in the file and torch.float32 here",
    ),
    "a name with a line break": ({"more\nthan a line": torch.ones(1)}, "Unexpected key(s) in state_dict"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_no_good_are_refused(path: Path, case: str, recwarn: pytest.WarningsRecorder) -> None:
    from safetensors.torch import save_file

    change, reason = WEIGHTS[case]
    model, path = MNISTClassification(), path.parent.with_suffix(".safetensors")
    save_file(weights(model) | change, path)
    before = weights(model)
    with pytest.raises(ValueError, match=r"holds no weights of this network: ") as error:
        checkpoint.load_weights(model, path)
    assert reason in one_line(error)
    assert not recwarn.list
    assert equal(weights(model), before)


def test_a_huge_header_is_not_parsed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = json.dumps({"__metadata__": {"a": " " * 1_000_000}}).encode()
    path.parent.mkdir()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    monkeypatch.setattr(checkpoint.json, "loads", None)
    monkeypatch.setattr(checkpoint.safetensors.torch, "load", lambda content: pytest.fail("it was parsed"))
    with pytest.raises(ValueError, match="damaged, cut short, or no safetensors file"):
        checkpoint.load_weights(MNISTClassification(), path)


def test_a_file_that_would_fill_the_memory_is_not_read(path: Path) -> None:
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(10**12)  # takes no place on the disk
    with pytest.raises(ValueError, match=r"can't be read \(it has more than 1,000,000,000 bytes\)$"):
        checkpoint.load_weights(MNISTClassification(), path)


# --- two at once ---


def test_two_do_not_train_into_one_checkpoint(easy: TensorDataset, path: Path) -> None:
    """The second begins in the middle of the first's second epoch, as from another notebook."""
    messages: list = []

    def second() -> None:
        with pytest.raises(ValueError) as error:
            Start(easy).fit(1, checkpoint=path)
        messages.append(one_line(error))
        Start(easy).fit(1, checkpoint=path.with_name("short.pt"))  # another file is free

    run = Start(easy, at_batch=10, hook=second)
    history = run.fit(2, checkpoint=path)
    assert [entry["epoch"] for entry in history] == [1, 2]
    (message,) = messages
    assert re.fullmatch(
        r"checkpoint: process \d+ on .*, since \d\d:\d\d, is at work in '.*'; "
        r"wait for it, or train into another run_dir",
        message,
    )
    assert len(Start(easy).resume(3, path)) == 3  # the first is done with it


def test_a_checkpoint_that_is_a_link_stays_one(easy: TensorDataset, path: Path) -> None:
    target = path.parent.with_name("synced") / "mine.pt"
    path.parent.mkdir()
    path.symlink_to(target)
    Start(easy).fit(1, checkpoint=path)
    assert len(Start(easy).resume(2, path)) == 2
    assert path.is_symlink()
    assert files_beside(target) == ["mine.pt"]


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
        patch.setattr(results.os, step, no_space)
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB; a checkpoint takes about 280 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only an administrator may mount a disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this container may not mount a disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_runs_full_in_training_keeps_the_last_checkpoint(easy: TensorDataset, small_disk: Path) -> None:
    path = small_disk / "run" / "checkpoint.pt"

    def fill() -> None:
        with pytest.raises(OSError, match="No space left"), (small_disk / "essay").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    run = Start(easy, at_batch=17, hook=fill)  # in the third epoch
    with pytest.raises(training.TrainingError, match=r"\(No space left on device\); .* as after epoch 3$") as error:
        run.fit(4, checkpoint=path)
    assert [entry["epoch"] for entry in error.value.history] == [1, 2, 3]
    assert files_beside(path) == ["checkpoint.pt"]
    (small_disk / "essay").unlink()
    straight = Start(easy)
    straight.fit(4)
    last = Start(easy)
    last.resume(4, path)  # from epoch 2
    assert equal(weights(last.model), weights(straight.model))


def test_a_disk_that_is_full_before_training_is_said_at_once(easy: TensorDataset, small_disk: Path) -> None:
    with pytest.raises(OSError), (small_disk / "essay").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(ValueError, match=r"^checkpoint: .* can't be written \(No space left on device\)$"):
        Start(easy).fit(1, checkpoint=small_disk / "checkpoint.pt")


def test_weights_that_cant_be_written_leave_the_old_ones(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save_weights(MNISTClassification(), path)
    before = path.read_bytes()
    monkeypatch.setattr(results.os, "fsync", no_space)
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
