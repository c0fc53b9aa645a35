"""Training in several processes: the same images, the same network, and one line when something goes wrong."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import psutil
import pytest
import safetensors.torch
import torch
from torch.utils.data import TensorDataset

from helpers import data, distributed, results, settings

DIGITS = ["--dataset=digits", "--device=cpu"]


def numbered(count: int) -> TensorDataset:
    """Return images that are their own number."""
    return TensorDataset(torch.arange(count), torch.zeros(count, dtype=torch.int64))


def batches_of(rank: int, ranks: int, count: int, epoch: int) -> list[list[int]]:
    """Return the images that a process sees in each step, of batches of 12."""
    batches = data.share_batches(numbered(count), 12, seed=5, rank=rank, ranks=ranks)
    batches.sampler.sampler.set_epoch(epoch)
    return [images.tolist() for images, _ in batches]


@pytest.mark.parametrize("ranks", [2, 3, 4])
@pytest.mark.parametrize("count", [96, 97, 107, 12])
def test_in_each_step_all_shares_make_up_the_batch_of_one_process(ranks: int, count: int) -> None:
    """107 is one image less than a whole batch: a sampler that fills up with images seen before would make one."""
    for epoch in (1, 2):
        whole = batches_of(0, 1, count, epoch)
        shares = [batches_of(rank, ranks, count, epoch) for rank in range(ranks)]
        assert [sorted(chain(*parts)) for parts in zip(*shares, strict=True)] == [sorted(batch) for batch in whole]
        assert {len(batch) for share in shares for batch in share} == {12 // ranks}
        assert len(whole) == count // 12
    assert batches_of(0, ranks, 96, 1) != batches_of(0, ranks, 96, 2)


@pytest.mark.parametrize(("batch_size", "ranks"), [(64, 3), (1, 2), (98, 2)])
def test_a_batch_that_cannot_be_shared_is_refused(batch_size: int, ranks: int) -> None:
    line = (
        rf"^batch_size: got {batch_size}; give a multiple of {ranks}, the number of processes, up to 97, the number of"
    )
    with pytest.raises(ValueError, match=line):
        data.share_batches(numbered(97), batch_size, seed=0, rank=0, ranks=ranks)


# What somebody may type, without torchrun's variables, and the line that they get
MISTAKES = {
    (): "WORLD_SIZE: not set, so this process is alone; start several with torchrun, or --processes 2",
    ("--epochs", "none"): "epochs: got 'none'; give a whole number from 1 to 10000",
    ("--epochs",): "epochs: got ''; give a whole number from 1 to 10000",
    ("--processes", "65"): "processes: got 65 (int); give a whole number from 0 to 64",
    ("--epoch", "3"): "--epoch: no such option; choose one of --dataset, --data_dir, --run_dir, --device, --seed, ",
    ("3",): "3: no such option; choose one of --dataset, ",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_gets_one_line(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["distributed", *words])
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(SystemExit) as end:
        distributed.main()
    captured = capsys.readouterr()
    assert end.value.code not in (0, None)
    assert captured.err.startswith(MISTAKES[words])
    assert (captured.err.count("\n"), captured.out) == (1, "")


def start(*options: str, torchrun: Sequence[str] = ()) -> subprocess.Popen:
    """Start `python -m helpers.distributed`, or torchrun with the options given."""
    command = [sys.executable, "-m", "helpers.distributed"]
    if torchrun:
        how = ["--standalone", "--local_addr=127.0.0.1", *torchrun]
        command = [sys.executable, "-m", "torch.distributed.run", *how, "-m", "helpers.distributed"]
    # As in JupyterLab, where others show bars. On Windows, PyTorch comes without libuv.
    variables = (
        os.environ
        | {"OMP_NUM_THREADS": "1", "JPY_SESSION_NAME": "x"}
        | ({"USE_LIBUV": "0"} if sys.platform == "win32" else {})
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *options], cwd=settings.CODE, env=variables, **pipes)


def end(run: subprocess.Popen) -> tuple[str, str]:
    """Wait for a run that should succeed, and return what it wrote."""
    out, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    return out, err


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run by two processes with batches of 32 each, 114 steps, without dropout, started by torchrun."""
    folder = tmp_path_factory.mktemp("two")
    options = [*DIGITS, "--epochs=6", "--dropout=False", f"--run_dir={folder}"]
    end(start(*options, torchrun=["--nproc_per_node=2"]))
    return folder


@pytest.mark.slow
def test_two_processes_with_32_images_train_the_network_of_one_with_64(two: Path, tmp_path: Path) -> None:
    end(start(*DIGITS, "--epochs=6", "--dropout=False", f"--run_dir={tmp_path}", torchrun=["--nproc_per_node=1"]))
    one, other = (safetensors.torch.load_file(folder / "distributed.safetensors") for folder in (tmp_path, two))
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-4, atol=1e-5)
    records = [results.load_record(folder, "distributed") for folder in (tmp_path, two)]
    assert [record["parameters"]["processes"] for record in records] == [1, 2]
    losses = [[entry["train_loss"] for entry in record["history"]] for record in records]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][-1] < losses[0][0] / 4


@pytest.mark.slow
def test_rank_0_alone_writes_and_a_longer_run_goes_on_from_its_checkpoint(two: Path, tmp_path: Path) -> None:
    names = {"distributed.json", "distributed.pt", "distributed.safetensors", ".distributed.pt.lock"}
    assert {path.name for path in two.iterdir()} == names
    options = [*DIGITS, "--dropout=False", f"--run_dir={tmp_path}", "--processes=2"]
    out, err = end(start(*options, "--epochs=2"))
    assert (out.count("\n"), err) == (3, "")  # one about the data, and one per epoch
    out, _ = end(start(*options, "--epochs=6", "--resume=True"))
    assert out.splitlines()[1].endswith("distributed.pt: 2 of 6 epochs are done")
    name = "distributed.safetensors"
    assert (tmp_path / name).read_bytes() == (two / name).read_bytes()


@pytest.mark.slow
def test_four_processes_go_on_to_the_same_bits(tmp_path: Path) -> None:
    """Two numbers have one sum. Those of four depend on the order in which they are added."""
    options = [*DIGITS, "--processes=4"]
    end(start(*options, "--epochs=3", f"--run_dir={tmp_path}/straight"))
    end(start(*options, "--epochs=1", f"--run_dir={tmp_path}/broken"))
    end(start(*options, "--epochs=3", "--resume=True", f"--run_dir={tmp_path}/broken"))
    straight, broken = (tmp_path / folder / "distributed.safetensors" for folder in ("straight", "broken"))
    assert straight.read_bytes() == broken.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("restarts", ["0", "1"])
def test_what_only_the_processes_can_find_is_said_once(tmp_path: Path, restarts: str) -> None:
    options = [*DIGITS, "--processes=2", f"--max_restarts={restarts}", "--batch_size=63", f"--run_dir={tmp_path}"]
    out, err = start(*options).communicate(timeout=300)
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("batch_size: got 63; give a multiple of 2, the number of processes, up to 1250")


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_when_a_process_dies_one_line_says_so_and_no_process_is_left(tmp_path: Path, victim: int) -> None:
    with start(*DIGITS, "--processes=2", "--epochs=1000", f"--run_dir={tmp_path}") as run:
        seen = [run.stdout.readline() for _ in range(2)]
        assert seen[1].startswith("epoch  1/1000")
        agent = psutil.Process(run.pid)
        ranks = sorted(agent.children(), key=lambda process: int(process.environ()["RANK"]))
        family = [agent, *agent.children(recursive=True)]
        ranks[victim].kill()
        died = time.monotonic()
        _, err = run.communicate(timeout=300)
    assert time.monotonic() - died < 30
    how = "exit status" if sys.platform == "win32" else "SIGKILL"
    assert err.startswith(f"rank {victim} of 2 processes has died ({how}")
    assert err.endswith("/distributed.pt, give the same command with --resume True\n")
    assert err.count("\n") == 1
    assert not psutil.wait_procs(family, timeout=10)[1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process keeps its parent's number there")
def test_when_torchrun_itself_dies_its_processes_end_with_their_epoch(tmp_path: Path) -> None:
    with start(*DIGITS, "--processes=2", "--epochs=1000", f"--run_dir={tmp_path}") as run:
        for _ in range(2):
            run.stdout.readline()
        ranks = psutil.Process(run.pid).children(recursive=True)
        run.kill()
        assert len(ranks) == 2
        assert not psutil.wait_procs(ranks, timeout=60)[1]


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_no_bit() -> None:
    """The script compares with a run that nobody killed; here is only asserted that the kills took place."""
    command = [sys.executable, settings.ROOT / "tests" / "kill_rank.py", "--kills=10"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=settings.ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kills"] == 10
