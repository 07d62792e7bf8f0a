"""The folders of a run and what is written into them while it goes on: options, log, curves, scores."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from iqa_sr.errors import OptionError
from iqa_sr.io.files import atomic_write
from iqa_sr.runtime import distributed
from iqa_sr.scores.experiment_folder import ExperimentFolder, curves_folder
from iqa_sr.training.progress_log import check_tensorboard, log_to_file, open_tensorboard
from iqa_sr.training.resume_options import flat_options
from iqa_sr.training.summary import summary_lines
from iqa_sr.training.validation_run import ValidationRun

__all__ = ["Experiment", "check_folder"]

logger = logging.getLogger(__name__)


def check_folder(opt: Mapping[str, Any], fresh: bool) -> None:
    """Check whether a run may write to the folder of its name, and move away what lies there; nothing is changed.

    Args:
        opt: The options.
        fresh: Whether the run starts at the beginning, and renames the folder of an earlier run.

    Raises:
        OptionError: If the folder is a link, holds something else than a training, or holds what the options name.
    """
    folder = ExperimentFolder(Path(opt["path"]["experiments_root"]))
    if folder.path.is_symlink():
        raise OptionError(
            f"name: expected a folder of its own, got {folder.path}, which is a link to {os.path.realpath(folder.path)}"
            "\nA run writes there, and renames what it finds: give it another name, or name the folder that is meant "
            "(path:experiments_root)."
        )
    if not folder.path.exists():
        return
    if not folder.path.is_dir() or not folder.is_training():
        raise OptionError(
            f"name: {folder.path} is there already, and is no training (it has no training_states); a run would write "
            "there, or rename it\nGive the run another name, or another path:experiments_root."
        )
    if fresh and (inside := list(_inside(folder.path, opt))):
        raise OptionError(
            "\n".join(
                f"{option}: {text} lies in {folder.path}, which a new run renames; give the run another name"
                for option, text in inside
            )
        )


def _inside(folder: Path, opt: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The options, and their values, that name something that is there in a folder."""
    path = {key: value for key, value in opt["path"].items() if key.startswith("pretrain_")}
    root = os.path.realpath(folder)
    for option, found in flat_options({**opt, "path": path, "root_path": None}):
        for value in found if isinstance(found, list) else [found]:
            there = isinstance(value, str) and "\0" not in value and os.path.lexists(value)
            if there and f"{os.path.realpath(value)}{os.sep}".startswith(root + os.sep):
                yield option, value


class Experiment:
    """`experiments/<name>/` and `tb_logger/<name>/`, laid out as BasicSR does, plus the scores.

    Args:
        opt: The run's options.
        option_file: Name of the option file.
        resume_command: Command that resumes the run, for messages.
    """

    def __init__(self, opt: dict[str, Any], option_file: str, resume_command: str) -> None:
        self.opt, self.option_file, self.resume_command = opt, option_file, resume_command
        self.first = opt["rank"] == 0
        self.folder = ExperimentFolder(Path(opt["path"]["experiments_root"]))
        with_curves = opt["logger"]["use_tb_logger"]
        self.curves = curves_folder(Path(opt["root_path"]), opt["name"]) if with_curves else None
        self.log_file = self.folder.path / f"train_{opt['name']}_{time.strftime('%Y%m%d_%H%M%S')}.log"
        self.tensorboard: Any = None
        if self.curves is not None:
            check_tensorboard()
        self.validation = ValidationRun(self.folder.scores_file, opt["val"]["save_img"]) if opt.get("val") else None

    def begin(self, iteration: int, fresh: bool) -> None:
        """Make the folders, open the log, the curves and the scores; call it when everything else is built.

        Args:
            iteration: Iterations done before; the scores of later ones are forgotten, for they are done again.
            fresh: Whether the run starts at the beginning: what lies there under its name is then renamed.
        """
        distributed.on_rank_zero(lambda: self._open(iteration, fresh), "making the folder of the run")

    def _open(self, iteration: int, fresh: bool) -> None:
        if fresh:
            self._move_old()
        for folder in (self.folder.models, self.folder.training_states, self.folder.visualization):
            folder.mkdir(parents=True, exist_ok=True)
        content = yaml.safe_dump(self.opt, sort_keys=False, allow_unicode=True)
        header = f"# {time.strftime('%Y-%m-%d %H:%M:%S')}: the options of this run, made from {self.option_file}\n"
        atomic_write(self.folder.option_file, header + content)
        log_to_file(self.log_file)
        if self.curves is not None:
            self.tensorboard = open_tensorboard(self.curves, iteration)
        if self.validation and self.folder.scores_file.exists():
            self.validation.take_up(iteration)

    def _move_old(self) -> None:
        """Rename the folders of an earlier run of this name; never those of another."""
        check_folder(self.opt, fresh=True)
        there = self.folder.path.exists()
        own_root = self.folder.path.parent == Path(self.opt["root_path"]) / "experiments"
        # Runs of one name below several roots share the folder of their curves.
        curves = self.curves if self.curves is not None and (there or own_root) else None
        for folder in (self.folder.path, curves):
            if folder is not None and folder.exists() and not folder.is_symlink():
                archived = folder.with_name(f"{folder.name}_archived_{time.strftime('%Y%m%d_%H%M%S')}")
                while archived.exists():  # two starts in one second
                    archived = archived.with_name(f"{archived.name}_")
                folder.rename(archived)
                logger.info(f"{folder} exists; renamed to {archived.name}. (--auto_resume would continue it.)")

    def validate(
        self,
        model: Any,
        loaders: Sequence[Any],
        iteration: int,
        interruptible: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Score the validation sets, keep scores and best checkpoints: see `ValidationRun.validate`."""
        assert self.validation is not None
        self.validation.validate(model, loaders, iteration, self.tensorboard, interruptible)

    def lacks_scores(self) -> bool:
        """Check whether the last iteration was not validated."""
        table = None if self.validation is None else self.validation.table
        last = str(self.opt["train"]["total_iter"])
        return table is not None and all(row.checkpoint != last for row in table.rows)

    def close(self) -> None:
        """Close the file of TensorBoard's curves."""
        if self.tensorboard:
            self.tensorboard.close()

    def finish(self, model: Any, iteration: int) -> None:
        """Write `net_g_latest.pth`, and say where everything is and what was gained."""
        model.save(-1, -1)
        if self.first:
            lines = summary_lines(model, iteration, self.folder, self.log_file, self.curves, self.validation)
            for start in range(0, len(lines), 12):  # longer texts would go to the file only
                logger.info("\n".join(lines[start : start + 12]))

    def tell_how_to_resume(self, iteration: int) -> None:
        """After a signal: what was saved, and the command that resumes."""
        logger.info(f"Stopped after iteration {iteration}, saved. Resume with:\n  {self.resume_command}")
