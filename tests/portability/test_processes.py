"""New processes, and a system that has no fcntl, no resource and no signal but two: as Windows."""

import errno
import os
import pickle
import runpy
import signal
import subprocess
import sys
import types

import pytest
import torch

from iqa_sr import plugin
from iqa_sr.basicsr_compat import DATASET_REGISTRY
from iqa_sr.basicsr_compat.builtin.paired_image_dataset import PairedImageDataset
from iqa_sr.basicsr_compat.builtin.single_image_dataset import SingleImageDataset
from iqa_sr.datasets.sample_order import SeededDataset, build_train_loader
from iqa_sr.io.files import atomic_write
from iqa_sr.lora.adapter_files import BaseNetwork, read_adapter, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from iqa_sr.runtime import command_line
from iqa_sr.runtime.signals import STOPPING
from iqa_sr.training import dry_run, launch
from tests import ROOT
from tests.helpers.aigc_collections import write_agiqa
from tests.helpers.mos_datasets import write_kadid
from tests.helpers.pair_tables import write_answers
from tests.helpers.sr_datasets import make_image, save, training_options, write_groups, write_labels, write_options
from tests.helpers.tiny_networks import SECTION, tiny_network

# Spawned workers run the top of the program, too: they lack the same.
PROGRAM = """
import multiprocessing, os, pkgutil, signal, sys
from importlib import import_module

MISSING = "fcntl", "resource", "termios", "pwd", "grp"
NAMES = {
    signal: ("SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "pthread_sigmask", "sigwait", "setitimer"),
    os: ("fork", "forkpty", "pread", "pwrite", "getuid", "geteuid", "killpg", "setsid", "getloadavg", "mkfifo"),
}


class _Refusing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


import multiprocessing.resource_tracker, subprocess, torch  # these have asked the system, and know what to do

multiprocessing.resource_tracker._HAVE_SIGMASK = False
for name in MISSING:
    sys.modules[name] = None
sys.meta_path.insert(0, _Refusing)
for module, names in NAMES.items():
    for name in names:
        delattr(module, name)
sys.path.insert(0, sys.argv[1])


def modules():
    import iqa_sr

    for package in map(import_module, ("iqa_sr", "iqa_sr.losses", "iqa_sr.samplers")):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".basicsr_compat.installed" not in found.name and not found.name.endswith("__main__"):
                yield found.name


def main():
    from iqa_sr.cli.main import COMMANDS, main
    from iqa_sr.cli.train import main as train

    multiprocessing.set_start_method("spawn")
    names = [import_module(name).__name__ for name in modules()]
    assert {f"iqa_sr.cli.{name.replace('-', '_')}" for name in COMMANDS} <= set(names), names
    try:
        main(["evaluate", "--help"])
    except SystemExit as end:
        assert end.code in (0, None)
    assert main(["score", "data/01", "--reference", "data/01", "--metric", "ssim", "--output", "scores.csv"]) == 0
    assert train(["-opt", "options.yml"]) == 0
    print("all done")


if __name__ == "__main__":
    main()
"""


def test_commands_and_a_run_on_a_system_without_them(tmp_path):
    """Everything is imported, images are scored, and a network is trained with a worker that is spawned."""
    write_groups(tmp_path / "data", 2)
    options = training_options(datasets__val=None, val=None, train__total_iter=2, datasets__train__num_worker_per_gpu=1)
    write_options(tmp_path / "options.yml", options)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, program.name, str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0 and done.stdout.endswith("all done\n"), (done.stdout + done.stderr)[-3000:]
    assert "usage: iqa-sr evaluate" in done.stdout and "This system has no locks" in done.stderr
    assert len((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()) == 4
    assert (tmp_path / "experiments" / "tiny" / "models" / "net_g_latest.pth").is_file()


@pytest.mark.parametrize("file", ["train_sr.py", "iqa_sr/cli/__main__.py", "iqa_sr/cli/main.py"])
def test_a_program_begins_nothing_in_a_spawned_worker(file):
    """A worker runs it under the name `__mp_main__`."""
    assert callable(runpy.run_path(str(ROOT / file), run_name="__mp_main__")["main"])


def test_without_proc_a_command_is_the_one_of_this_process(monkeypatch):
    def no_proc(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(command_line.Path, "read_bytes", no_proc)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setattr(sys, "orig_argv", ["python", "train_sr.py", "-opt", "a.yml"])
    assert command_line.own_command(["-opt", "a.yml"]) == ["python", "train_sr.py", "-opt", "a.yml"]


# --- What spawned workers get -----------------------------------------------------------------------------------------


def multi_gt(folder, size=64):
    return training_options(write_groups(folder / "data", 2, size))["datasets"]["train"] | {"scale": 2}


def pairs(folder):
    for number in range(2):
        save(folder / "hr" / f"p{number}.png", make_image(number, 64))
        save(folder / "lr" / f"p{number}.png", make_image(number, 32))
    section = {"dataroot_gt": str(folder / "hr"), "dataroot_lq": str(folder / "lr"), "io_backend": {"type": "disk"}}
    return {"scale": 2, "gt_size": 32, "use_hflip": True, "use_rot": True, **section}


def triplets(folder):
    for number in range(3):
        save(folder / f"{number}.png", make_image(number, 64))
    (folder / "train.txt").write_text("0.png,1.png,2.png,1,1,0\n1.png,0.png,2.png,0,0,1\n", encoding="utf-8")
    return {"sources": [{"triplets": str(folder / "train.txt"), "dataroot": str(folder)}], "crop": 32}


SECTIONS = {
    "AIGCDataset": lambda folder: {"layout": "agiqa3k", "dataroot": str(write_agiqa(folder, 10))},
    "ChainDataset": lambda folder: {"crop": 32, "procedural": 2},
    "JODDataset": lambda folder: {"crop": 32, "procedural": 2, "pairs": 1, "chains": 1, "results": 1},
    "MultiGTDataset": multi_gt,
    "OpinionDataset": lambda folder: {
        "layout": "kadid10k", "dataroot": str(write_kadid(folder)), "crop": 48, "split_seed": 1
    },
    "PairedImageDataset": pairs,
    "PreferenceDataset": lambda folder: {"crop": 32, "dataroot": str(write_answers(folder, contents=3))},
    "RankingDataset": lambda folder: {"crop": 32, "procedural": 2},
    "SingleImageDataset": pairs,
    "TripletDataset": triplets,
}  # fmt: skip


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))
    return one == other


def test_every_data_set_is_among_them():
    ours = {entry.__name__ for registry, entry in plugin.TABLE if registry is DATASET_REGISTRY}
    assert len(ours) > 5 and ours | {"PairedImageDataset", "SingleImageDataset"} == SECTIONS.keys()


@pytest.mark.parametrize("kind", SECTIONS)
def test_a_spawned_worker_gets_the_same_data_set(kind, tmp_path):
    plugin.register()
    section = {"name": "x", "type": kind, "phase": "train", **SECTIONS[kind](tmp_path)}
    section |= {"batch_size_per_gpu": 1, "num_worker_per_gpu": 1, "dataset_enlarge_ratio": 1}
    dataset = DATASET_REGISTRY.get(kind)(section)
    before = SeededDataset(dataset)[0, 5]  # whatever is opened or made for the first sample is there now
    options = {"datasets": {"train": section}, "manual_seed": 1, "rank": 0, "world_size": 1, "num_gpu": 0}
    loader, _ = build_train_loader(dataset, {**options, "dist": False})
    sent = pickle.dumps((loader.dataset, loader.collate_fn, loader.worker_init_fn))
    received, collate, settle = pickle.loads(sent)
    assert collate is loader.collate_fn and settle is loader.worker_init_fn
    after = received[0, 5]
    assert before.keys() == after.keys() and all(equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("made", [PairedImageDataset, SingleImageDataset])
def test_a_spawned_worker_gets_our_own_part_of_basicsr(made, tmp_path):
    dataset = SeededDataset(made({"name": "x", "type": made.__name__, "phase": "train", **pairs(tmp_path)}))
    before, after = dataset[0, 5], pickle.loads(pickle.dumps(dataset))[0, 5]
    assert all(equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("sampler", ["uniform", "positives", "argmax-online"])
def test_a_spawned_worker_gets_the_sampler(sampler, tmp_path):
    options = {"type": sampler, **({"metric": "niqe"} if sampler == "argmax-online" else {})}
    section = multi_gt(tmp_path, 192) | {"sampler": options}
    write_labels(tmp_path / "data" / "labels", {f"p{number}": {"01": "PPP", "02": "NNN"} for number in range(2)})
    section["labels"] = str(tmp_path / "data" / "labels")
    dataset = SeededDataset(DATASET_REGISTRY.get("MultiGTDataset")(section))
    before, after = dataset[0, 5], pickle.loads(pickle.dumps(dataset))[0, 5]
    assert all(equal(before[key], after[key]) for key in before)


# --- Calls that Windows and macOS answer otherwise --------------------------------------------------------------------


def test_what_is_synced_is_open_for_writing(tmp_path, monkeypatch):
    """Windows refuses to sync what is open for reading alone."""
    synced = []

    def fsync(handle):
        os.write(handle, b"")  # an error for a handle that only reads
        synced.append(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    atomic_write(tmp_path / "a.txt", "text")
    network = tiny_network()
    inject(network, LoRAOptions(rank=2, target_modules=["conv1"]))
    save_adapter(network, tmp_path / "adapter", BaseNetwork(network=SECTION, file="net.pth", digest="0" * 64))
    assert len(synced) >= 4
    assert read_adapter(tmp_path / "adapter").base.file == "net.pth"
    assert b"\r" not in (tmp_path / "adapter" / "base_network.json").read_bytes()
    with pytest.raises(OSError) as caught, (tmp_path / "a.txt").open("rb") as file:
        fsync(file.fileno())
    assert caught.value.errno == errno.EBADF


class _Child:
    """A process on Windows: it can be sent no signal, but a terminal's Ctrl-C reaches it as it does us."""

    def send_signal(self, number):
        raise ValueError(f"Unsupported signal: {number}")

    def wait(self):
        signal.raise_signal(signal.SIGINT)
        return 130


def test_an_interrupted_base_is_waited_for_on_windows(monkeypatch):
    monkeypatch.setattr(launch.subprocess, "Popen", lambda command: _Child())
    before = [signal.getsignal(number) for number in STOPPING]
    with pytest.raises(ValueError, match="Unsupported signal"):
        launch._run_to_its_end(["train"])
    monkeypatch.setattr(launch, "ON_WINDOWS", True)
    assert launch._run_to_its_end(["train"]) == 130
    assert [signal.getsignal(number) for number in STOPPING] == before


@pytest.mark.parametrize(("system", "counted"), [("linux", 2**20), ("darwin", 2**30)])
def test_peak_memory_is_counted_as_the_system_does(system, counted, monkeypatch):
    usage = types.SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: types.SimpleNamespace(ru_maxrss=counted))
    monkeypatch.setitem(sys.modules, "resource", usage)
    monkeypatch.setattr(dry_run, "sys", types.SimpleNamespace(platform=system))
    assert dry_run._peak_memory(torch.device("cpu")) == "peak memory of the process 1024 MiB"
    monkeypatch.setitem(sys.modules, "resource", None)
    assert "not known on this system" in dry_run._peak_memory(torch.device("cpu"))
