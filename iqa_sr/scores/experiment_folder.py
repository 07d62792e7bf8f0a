"""Experiment folders: what a training writes, laid out as BasicSR does, and what is read of it afterwards.

experiments/<name>/<name>.yml                                     the run's own copy of its options
experiments/<name>/models/net_g_<label>.pth                       its network: `500`, `latest`, `best_psnr`
                                                                  .safetensors where it was tuned from such a file
experiments/<name>/models/net_d_<label>.pth                       the discriminator
experiments/<name>/models/adapter_g_<label>/                      the adapter of a run with LoRA
experiments/<name>/training_states/<iteration>.state              what an exact resume needs
experiments/<name>/visualization/<data set>/<image>/<image>_<label>.png   results of the validation
experiments/<name>/scores.csv                                     a ScoreTable
experiments/<name>/train_<name>_<time>.log                        a log for each start
experiments/<name>/weights/                                       files for the metric of a quality network
tb_logger/<name>/                                                 TensorBoard's curves
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from iqa_sr.config.option_files import read_option_file
from iqa_sr.io.files import check_inside

__all__ = [
    "MODELS",
    "SUFFIXES",
    "ExperimentFolder",
    "adapter_folder",
    "checkpoint_folder",
    "curves_folder",
    "find_checkpoint_files",
    "flat_result_image",
    "label_of",
    "network_file",
    "result_image",
]

MODELS = "models"
SUFFIXES = (".pth", ".safetensors")
"""Suffixes of the checkpoints of a run."""
_GENERATOR, _DISCRIMINATOR = "net_g_", "net_d_"


@dataclass(unsafe_hash=True)
class ExperimentFolder:
    """The folder of one training, which need not be there.

    Args:
        path: Path of the folder, `experiments/<name>`.

    Attributes:
        path: Path of the folder, as given.
        name: Name of the run; a link has its own.
        option_file: Path of the option file that the run writes.
        models: Folder of the checkpoints.
        training_states: Folder of the states that a run is resumed from.
        visualization: Folder of the results of the validation; see `result_image`.
        scores_file: Path of the table with every score of every validation.
        weights: Folder of the files from which the metric of a quality network is built.
    """

    path: Path

    def __post_init__(self) -> None:
        self.name = Path(os.path.abspath(self.path)).name
        self.option_file = self.path / f"{self.name}.yml"
        self.models = self.path / MODELS
        self.training_states = self.path / "training_states"
        self.visualization = self.path / "visualization"
        self.scores_file = self.path / "scores.csv"
        self.weights = self.path / "weights"

    @classmethod
    def of_checkpoint(cls, file: Path) -> "ExperimentFolder | None":
        """The experiment in whose `models` a file lies; None where it lies elsewhere."""
        resolved = file.resolve()
        if resolved.parent.name != MODELS:
            return None
        return cls(file.parent.parent if file.parent.name == MODELS else resolved.parent.parent)

    def opt_paths(self) -> dict[str, str]:
        """The folders as BasicSR's models expect them in `opt['path']`."""
        return {
            "experiments_root": str(self.path),
            "log": str(self.path),
            "models": str(self.models),
            "training_states": str(self.training_states),
            "visualization": str(self.visualization),
        }

    # --- What is there ------------------------------------------------------------------------------------------------

    def is_training(self) -> bool:
        """Check whether what lies in the folder, which is there, is a training, and nothing else that has its name."""
        found = {path.name for path in self.path.iterdir() if not path.name.startswith(".")}
        own = {self.models.name, self.training_states.name, self.visualization.name, self.weights.name}
        # Other programs have a folder `models`, too.
        return found <= own or not found.isdisjoint((self.training_states.name, self.option_file.name))

    def states(self) -> dict[int, Path]:
        """The training states by iteration."""
        files = self.training_states.glob("*.state")
        return {int(file.stem): file for file in files if re.fullmatch(r"\d+", file.stem)}

    def files_of(self, iteration: int) -> list[Path]:
        """The networks and the training state of one iteration, those that are there."""
        state = self.states().get(iteration)
        networks = [file for suffix in SUFFIXES for file in self.models.glob(f"net_*_{iteration}{suffix}")]
        return [*sorted(networks), *([state] if state else [])]

    def saved_iterations(self) -> dict[int, list[Path]]:
        """Files by iteration: its state, then its networks and the adapter, those that are there."""
        found: dict[int, list[Path]] = {iteration: [file] for iteration, file in self.states().items()}
        for path in sorted(self.models.glob("*")):
            if match := re.fullmatch(r"(?:net_[^.]*_(\d+)\.(?:pth|safetensors)|adapter_g_(\d+))", path.name):
                found.setdefault(int(match[1] or match[2]), []).append(path)
        return found

    def logs(self) -> list[Path]:
        """The logs of the run, one for each start, the first one first."""
        return sorted(self.path.glob("train_*.log"))

    def find_option_file(self) -> Path | None:
        """The run's own copy of its options, or another option file in its folder; None where there is none."""
        files = sorted(self.path.glob("*.yml"))
        return next((file for file in files if file.name == self.option_file.name), files[0] if files else None)

    @cached_property
    def options(self) -> dict[str, Any]:
        """The run's own copy of its options; empty where there is none.

        Raises:
            OptionError: If it is damaged.
        """
        file = self.find_option_file()
        return read_option_file(file) if file else {}

    def started_in(self) -> list[Path]:
        """Folders where the run may have begun, for paths of its options: above `experiments/`, or where they say."""
        return [self.path.absolute().parent.parent, Path(str(self.options.get("root_path", "")))]

    def curves_folders(self) -> list[Path]:
        """Folders of TensorBoard's files of the run.

        Raises:
            ValueError: If the name in its options leads elsewhere.
        """
        name = check_inside(str(self.options.get("name", self.name)), f"{self.find_option_file()}:name")
        return [curves_folder(root, name) for root in self.started_in()]


def curves_folder(root: Path, name: str) -> Path:
    """The folder for TensorBoard's files of a run that is started in `root`.

    Raises:
        ValueError: If the name leads elsewhere.
    """
    return root / "tb_logger" / check_inside(name, "name of a run")


# --- Checkpoints ------------------------------------------------------------------------------------------------------


def network_file(models: Path, letter: str, label: int | str, suffix: str | None = None) -> Path:
    """The file of a checkpoint.

    Args:
        models: Folder of the checkpoints.
        letter: Letter of the network: `g` for the generator, `d` for the discriminator.
        label: Iteration or name of the checkpoint; -1 for `latest`, as in BasicSR.
        suffix: Suffix of the file, one of `SUFFIXES`; None for that of the file that is there, `.pth` where none is.

    Raises:
        ValueError: If the label leads out of the folder.
    """
    files = [models / f"net_{letter}_{_label(label)}{one}" for one in ([suffix] if suffix else SUFFIXES)]
    return next((file for file in files if file.is_file()), files[0])


def adapter_folder(models: Path, label: int | str) -> Path:
    """The folder of the adapter that belongs to a checkpoint; arguments as of `network_file`."""
    return models / f"adapter_g_{_label(label)}"


def label_of(file: Path) -> str | None:
    """Part behind `net_g_` of the name of a checkpoint; None for other names."""
    return file.stem.removeprefix(_GENERATOR) if file.stem.startswith(_GENERATOR) else None


def checkpoint_folder(folder: Path) -> Path:
    """Folder of the checkpoints: in `models` of an experiment, or in the folder itself."""
    return folder / MODELS if (folder / MODELS).is_dir() else folder


def find_checkpoint_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The checkpoints of an experiment, or of any other folder, by name; discriminators are left out.

    Args:
        folder: Folder of the experiment, its `models`, or another folder, of which every name is taken.
        suffixes: Suffixes that the names may have.

    Raises:
        FileNotFoundError: If there is none.
    """
    models = checkpoint_folder(folder)
    names = f"{_GENERATOR}*" if models.name == MODELS else "*"
    files = [
        file
        for file in sorted(models.glob(names))
        if file.is_file() and file.suffix in suffixes and not file.name.startswith((".", _DISCRIMINATOR))
    ]
    if not files:
        raise FileNotFoundError(f"{models}: there is no checkpoint; looked for {names} with {', '.join(suffixes)}")
    return files


# --- Results ----------------------------------------------------------------------------------------------------------


def result_image(visualization: Path, dataset: str, key: str, label: str, suffix: str = ".png") -> Path:
    """The file of what a checkpoint made of an image of a validation set.

    Args:
        visualization: The folder of the results.
        dataset: The validation set's name.
        key: The image's key, without its data set; may have slashes.
        label: The checkpoint's: an iteration, or that of the baseline.
        suffix: Suffix of the file.

    Raises:
        ValueError: If key or label lead out of that folder: an LMDB, or a table that came with a folder, may say so.
    """
    check_inside(dataset, "name of a data set")
    check_inside(key, "key of an image")
    return visualization / dataset / key / f"{Path(key).name}_{_label(label)}{suffix}"


def flat_result_image(visualization: Path, key: str, label: str, suffix: str = ".png") -> Path:
    """Path by BasicSR and earlier versions, whatever its data set: equal names were written over each other."""
    check_inside(key, "key of an image")
    return visualization / key / f"{key}_{_label(label)}{suffix}"


def _label(label: int | str) -> str:
    """A checkpoint's label as a part of a file's name."""
    return "latest" if label == -1 else check_inside(str(label), "label of a checkpoint")
