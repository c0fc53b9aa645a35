"""Training on three hosts that find each other by address: network namespaces, joined by a bridge as by a switch.

A namespace has a loopback of its own, so nobody reaches another host at 127.0.0.1. All of them belong to one process in
a namespace of its own: they are gone when it ends, and the network of this machine is not touched.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from helpers import results, settings

ISOLATED = ["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
TRAINING = ["-m", "helpers.distributed", "--dataset=digits", "--device=cpu", "--epochs=2", "--dropout=False"]
TRAINING += ["--batch_size=60", "--timed_images=480"]  # three can share a batch, and few steps keep rounding small
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=1"]
TOGETHER = [*TORCHRUN, "--nnodes=3", "--rdzv_backend=c10d", "--rdzv_endpoint=10.77.0.1:29400"]
# $0 is a folder for what the hosts say, "$@" what each of them does.
SCRIPT = """
mount -t tmpfs none /run
cp /etc/hosts /run/hosts
ip link add switch type bridge
ip link set switch up
for i in 1 2 3; do
    ip netns add host$i
    ip link add port$i type veth peer name lan netns host$i
    ip link set port$i master switch up
    ip -n host$i address add 10.77.0.$i/24 dev lan
    ip -n host$i link set lan up
    ip -n host$i link set lo up
    echo 10.77.0.$i host$i >> /run/hosts
done
[ -z "$NAMES" ] || mount --bind /run/hosts /etc/hosts
for i in 1 2 3; do
    [ -n "$NAMES" ] || how="--local_addr=10.77.0.$i --rdzv_conf=is_host=$((i == 1))"
    name='hostname "$0"; exec "$@"'
    ip netns exec host$i unshare --uts sh -c "$name" host$i "${@:1:3}" $how "${@:4}" > "$0/$i.txt" 2>&1 &
    hosts="$hosts $!"
done
if [ -n "$KILL" ]; then  # the process that trains on the second host, once there is a checkpoint
    until [ -f "$0/distributed.pt" ]; do sleep 0.05; done
    for process in $(ip netns pids host2); do
        if tr "\\0" " " < /proc/$process/cmdline | grep -q -- " -u -m helpers"; then kill -9 $process; fi
    done
fi
for host in $hosts; do wait $host; done
"""


def train_on_three_hosts(command: list[str], variables: dict[str, str], folder: Path) -> dict[str, str]:
    """Give each host the command of a training into a folder, and return what they said, by file."""
    words = [*ISOLATED, "bash", "-c", f"set -e\n{SCRIPT}", folder, *command, f"--run_dir={folder}"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "NAMES": "", "KILL": ""} | variables
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=settings.CODE, env=env)
    said = {path.name: path.read_text() for path in sorted(folder.glob("?.txt"))}
    assert done.returncode == 0, (done.stderr, said)
    return said


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run by a single process, where namespaces can be had to compare it with."""
    if not all(map(shutil.which, ("unshare", "ip"))):
        pytest.skip("network namespaces need Linux, with unshare and ip (of util-linux and iproute2)")
    script = "mount -t tmpfs none /run && ip netns add host && ip link add switch type bridge"
    tried = subprocess.run([*ISOLATED, "sh", "-c", script], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"this machine doesn't let us make network namespaces: {tried.stderr.strip()}")
    folder = tmp_path_factory.mktemp("one")
    options = ["--standalone", "--local_addr=127.0.0.1", *TRAINING, f"--run_dir={folder}"]
    subprocess.run([*TORCHRUN, *options], check=True, capture_output=True, cwd=settings.CODE)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"NAMES": "1"}, id="whose names have addresses"),
        pytest.param({"GLOO_SOCKET_IFNAME": "lan"}, id="that are told their addresses"),
    ],
)
def test_three_hosts_train_the_network_of_one_process(variables: dict[str, str], one: Path, tmp_path: Path) -> None:
    """Where a host's name says 127.0.0.1, as on many a machine, each needs its address and gloo the network's name."""
    said = train_on_three_hosts([*TOGETHER, *TRAINING], variables, tmp_path)
    assert [("epoch  2/2" in words) for words in said.values()].count(True) == 1  # rank 0 alone
    assert results.load_record(tmp_path, "distributed")["parameters"]["processes"] == 3
    single, joint = (safetensors.torch.load_file(folder / "distributed.safetensors") for folder in (one, tmp_path))
    for name, tensor in single.items():
        torch.testing.assert_close(joint[name], tensor, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("one")
def test_a_death_on_one_of_three_hosts_costs_one_restart_and_no_bit(tmp_path: Path) -> None:
    """Without the variable, restarted processes look for each other at their old addresses (PyTorch's issue 135712)."""
    command = [*TOGETHER[:3], "--max_restarts=1", *TOGETHER[3:], *TRAINING, "--epochs=20"]
    variables, weights = {"NAMES": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}, []
    for name, kill in (("straight", ""), ("killed", "1")):
        folder = tmp_path / name
        folder.mkdir()
        said = train_on_three_hosts(command, variables | {"KILL": kill}, folder)
        assert any("of 20 epochs are done" in words for words in said.values()) == bool(kill)
        weights.append((folder / "distributed.safetensors").read_bytes())
    assert weights[0] == weights[1]
