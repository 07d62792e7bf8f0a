"""Number of our functions that a command runs through: `python benchmarks/traces.py train` or `... evaluate`.

Counted are calls of functions and methods that are defined in this repository, by `sys.setprofile`, after the modules
of the command have been imported; class bodies, comprehensions, lambdas and what imports call are left out. `--list`
names them.
"""

import argparse
import importlib
import itertools
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from iqa_sr.runtime.threads import prepare_cpu_threads  # noqa: E402

prepare_cpu_threads()

Call = tuple[str, str, str, bool]  # phase, file, function, whether in the main thread

TRAIN = ["-opt", "options/swinir_amo.yml", "--force_yml", "train:total_iter=3", "train:warmup_iter=-1"]
TRAIN += ["train:scheduler:periods=[3]", "val=none", "datasets:train:num_worker_per_gpu=0", "name=traced"]
TRAIN += ["logger:use_tb_logger=false", "logger:save_checkpoint_freq=100", "datasets:train:batch_size_per_gpu=2"]

# A function that begins a new phase of the training, by its file and name.
PHASES = {
    ("iqa_sr/training/loop.py", "_iterate"): "loop",
    ("iqa_sr/models/iqa_sr_model.py", "IQASRModel.feed_data"): "feed_data",
    ("iqa_sr/models/iqa_sr_model.py", "IQASRModel.optimize_parameters"): "optimize_parameters",
}


def traced(command: Callable[[], object]) -> list[Call]:
    """Every call of a function of ours while the command runs, in order."""
    calls: list[Call] = []
    phase = "start-up"
    prefix = f"{ROOT}{os.sep}"

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal phase
        code = frame.f_code  # type: ignore[attr-defined]
        if event != "call" or not code.co_filename.startswith(prefix) or code.co_name.startswith(("<", "find_spec")):
            return
        file, name = code.co_filename.removeprefix(prefix), getattr(code, "co_qualname", code.co_name)
        phase = PHASES.get((file, name), phase)
        calls.append((phase, file, name, threading.current_thread() is threading.main_thread()))

    threading.setprofile(note)  # those that read, compute and write
    sys.setprofile(note)
    try:
        command()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return calls


def report(calls: list[Call], listed: bool) -> None:
    """One line a phase, of the main thread and of all; with `listed` every function of it by file."""
    for phase in dict.fromkeys(call[0] for call in calls):
        own = [(file, name) for found, file, name, _ in calls if found == phase]
        main = [(file, name) for found, file, name, first in calls if found == phase and first]
        switches = sum(one[0] != other[0] for one, other in itertools.pairwise(main))
        files = {file for file, _ in own}
        print(
            f"{phase:20} main thread: {len(set(main)):4} functions in {len({file for file, _ in main}):3} files, "
            f"{len(main):5} calls, {switches:4} switches of file; all threads: {len(set(own)):4} in {len(files):3}"
        )
        if listed:
            for file in sorted(files):
                names = Counter(name for found, name in own if found == file)
                print(f"    {file} ({len(names)}): {', '.join(names)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "evaluate"])
    parser.add_argument("--list", action="store_true", help="name the functions")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "options").symlink_to(ROOT / "options")
        os.chdir(folder)
        calls = trace_training() if args.command == "train" else trace_evaluation()
    report(calls, args.list)


def trace_training() -> list[Call]:
    """Three iterations of `options/swinir_amo.yml`; start-up ends where the loop begins."""
    import iqa_sr.training.launch  # noqa: F401
    from iqa_sr.cli.main import main as command
    from iqa_sr.cli.train import main as train_sr

    command(["make-sample"])
    return traced(lambda: train_sr(TRAIN))


def trace_evaluation() -> list[Call]:
    """One checkpoint on two images by PSNR and jod-lite; another process trains it, so that nothing is cached."""
    from iqa_sr.cli.main import main as command

    for arguments in (["-m", "iqa_sr.cli", "make-sample"], [str(ROOT / "train_sr.py"), *TRAIN]):
        subprocess.run([sys.executable, *arguments], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    args = ["evaluate", "experiments/traced/models/net_g_latest.pth", "--metric", "psnr,jod-lite"]
    args += ["--output", "evaluated"]
    for module in ("cli.evaluate", "evaluation.run", "archs.rankiqa_arch", "archs.resnet_arch"):
        importlib.import_module(f"iqa_sr.{module}")
    return traced(lambda: command(args))


if __name__ == "__main__":
    main()
