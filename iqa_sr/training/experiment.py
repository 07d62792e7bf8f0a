"""The results of a run: its folders, scores, best checkpoints, curves, and what is said at the end."""

import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from iqa_sr.io.atomic import atomic_write
from iqa_sr.metrics import metric_spec
from iqa_sr.models.validation import BASELINE
from iqa_sr.runtime import distributed
from iqa_sr.runtime import rng_state as random_state
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from iqa_sr.training.progress_log import log_to_file, open_tensorboard

__all__ = ["Experiment"]

logger = logging.getLogger(__name__)


class Experiment:
    """`experiments/<name>/` and `tb_logger/<name>/`, laid out as BasicSR does, plus `scores.csv`.

    Args:
        opt: The run's options.
        option_file: Name of the option file, for the message on how to go on.
    """

    def __init__(self, opt: dict[str, Any], option_file: str) -> None:
        self.opt, self.option_file = opt, option_file
        self.first = opt["rank"] == 0
        self.root = Path(opt["path"]["experiments_root"])
        self.tensorboard_folder = Path(opt["root_path"]) / "tb_logger" / opt["name"]
        self.log_file = self.root / f"train_{opt['name']}_{time.strftime('%Y%m%d_%H%M%S')}.log"
        self.tensorboard: Any = None
        self.table = ScoreTable()

    # --- Beginning and end --------------------------------------------------------------------------------------------

    def begin(self, iteration: int, fresh: bool) -> None:
        """Make the folders, open the log, the curves and the scores; call it when everything else is built.

        Args:
            iteration: Iterations done before; the scores of later ones are forgotten, for they are done again.
            fresh: Whether the run starts at the beginning: what lies there under its name is then renamed.
        """
        if self.first:
            self._make_folders(fresh)
            log_to_file(self.log_file)
            if self.opt["logger"]["use_tb_logger"]:
                self.tensorboard = open_tensorboard(self.tensorboard_folder, iteration)
            if self.scores_file.exists():
                self.table = ScoreTable.read(self.scores_file)
                self.table.drop(lambda row: row.checkpoint.isdigit() and int(row.checkpoint) > iteration)
        distributed.barrier()

    def _make_folders(self, fresh: bool) -> None:
        with_curves = self.opt["logger"]["use_tb_logger"]
        for folder in (self.root, self.tensorboard_folder) if with_curves else (self.root,):
            if fresh and folder.exists():
                archived = folder.with_name(f"{folder.name}_archived_{time.strftime('%Y%m%d_%H%M%S')}")
                folder.rename(archived)
                logger.info(f"{folder} exists; renamed to {archived.name}. (--auto_resume would go on there.)")
        for key in ("models", "training_states", "visualization"):
            Path(self.opt["path"][key]).mkdir(parents=True, exist_ok=True)
        content = yaml.safe_dump(_plain(self.opt), sort_keys=False, allow_unicode=True)
        header = f"# {time.strftime('%Y-%m-%d %H:%M:%S')}: the options of this run, made from {self.option_file}\n"
        atomic_write(self.root / f"{self.opt['name']}.yml", header + content)

    @property
    def scores_file(self) -> Path:
        """Every score of every validation: checkpoint, picture, reference, metric, score."""
        return self.root / "scores.csv"

    def close(self) -> None:
        """End the curves' file."""
        if self.tensorboard:
            self.tensorboard.close()

    # --- Evaluation ---------------------------------------------------------------------------------------------------

    def validate(self, model: Any, loaders: Sequence[Any], iteration: int) -> None:
        """Score the validation sets on the first process, keep the scores and the best checkpoints.

        The generators of the run are left as they were: a validation changes nothing in the training.

        Raises:
            OtherProcessFailed: On the other processes, if the first one failed.
            What validating finds wrong, on the first process.
        """

        @random_state.preserved()
        def validate() -> None:
            for number, loader in enumerate(loaders):
                self._validate(model, loader, iteration, leading=number == 0)
            self.table.write(self.scores_file)

        distributed.on_rank_zero(validate, "the validation")

    def _validate(self, model: Any, loader: Any, iteration: int, leading: bool) -> None:
        for stale in ("lq", "gt", "output"):  # BasicSR would compare the first picture with the last training batch
            if hasattr(model, stale):
                delattr(model, stale)
        model.validation_rows = []
        model.nondist_validation(loader, iteration, self.tensorboard, self.opt["val"]["save_img"])
        dataset = loader.dataset.opt["name"]
        means = getattr(model, "metric_results", None) or {}
        rows = model.validation_rows or [
            ScoreRow(str(iteration), f"{dataset}/(mean)", "", metric, float(mean)) for metric, mean in means.items()
        ]
        self._keep_scores(model, rows)
        best = getattr(model, "best_metric_results", {}).get(dataset, {})
        # A quality network has many figures and one that leads; a super-resolution network keeps its best by each.
        for metric in list(means)[:1] if "objective" in self.opt["train"] else means:
            if best.get(metric, {}).get("iter") == iteration:
                label = f"best_{metric}" if leading else f"best_{dataset}_{metric}"
                _save_generator(model, label)

    def _keep_scores(self, model: Any, rows: Sequence[ScoreRow]) -> None:
        run = getattr(model, "validation_run", None)
        if "objective" in self.opt["train"]:  # what a quality network has learnt: larger is better
            for metric in {row.metric for row in rows}:
                self.table.add_facts(MetricFacts(metric, True, f"{self.opt['train']['objective']['type']} objective"))
        for name, section in (self.opt["val"].get("metrics") or {}).items():
            higher = run.directions()[name] if run else section.get("better", "higher") == "higher"
            spec = run.specs()[name] if run else _stock_spec(section)
            self.table.add_facts(MetricFacts(name, higher, spec))
        keys = {(row.checkpoint, row.picture, row.metric) for row in rows}
        self.table.drop(lambda row: (row.checkpoint, row.picture, row.metric) in keys)
        self.table.append([row for row in rows if math.isfinite(row.score)])

    # --- What is said -------------------------------------------------------------------------------------------------

    def finish(self, model: Any, iteration: int) -> None:
        """Write `net_g_latest.pth`, and say where everything is and what was gained."""
        model.save(-1, -1)
        if not self.first:
            return
        lines = [
            f"End of training after {iteration} iterations.",
            f"  checkpoints   {_shown(self.opt['path']['models'])} (net_g_latest.pth, one best of each metric)",
            f"  log           {_shown(self.log_file)}",
        ]
        if self.tensorboard:
            lines.append(f"  curves        tensorboard --logdir {_shown(self.tensorboard_folder.parent)}")
        if self.table.rows:
            lines.append(f"  scores        {_shown(self.scores_file)}")
            if self.opt["val"].get("save_img"):
                lines.append(f"  pictures      {_shown(self.opt['path']['visualization'])}")
            lines += self._gains(str(iteration))
        guard = getattr(model, "reward_guard", None)
        if guard is not None and guard.summary():
            lines.append(f"  {guard.summary()}")
        for start in range(0, len(lines), 12):  # longer texts would go to the file only
            logger.info("\n".join(lines[start : start + 12]))

    def _gains(self, final: str) -> list[str]:
        """By metric: bicubic upscaling against the last checkpoint, over all validation pictures."""
        lines = []
        for metric, facts in self.table.facts.items():
            now = self.table.mean(final, metric)
            before = self.table.mean(BASELINE, metric)
            if now is None:
                continue
            arrow = "higher is better" if facts.higher_is_better else "lower is better"
            if before is None:
                lines.append(f"  {metric}: {now:.4f} ({arrow})")
                continue
            better = (now > before) == facts.higher_is_better and now != before
            verdict = "better" if better else "equal" if now == before else "worse"
            lines.append(f"  {metric}: bicubic {before:.4f} -> {now:.4f} ({now - before:+.4f}, {verdict}; {arrow})")
        return lines

    def tell_how_to_resume(self, iteration: int) -> None:
        """After a signal: what was saved, and the command that goes on."""
        logger.info(
            f"Stopped after iteration {iteration}, saved. Go on with:\n"
            f"  python train_sr.py -opt {self.option_file} --auto_resume"
        )


def _save_generator(model: Any, label: str) -> None:
    """The generator under a label of its own, from our model or a stock one."""
    if hasattr(model, "save_generator"):
        model.save_generator(label)
    elif hasattr(model, "net_g_ema"):
        model.save_network([model.net_g, model.net_g_ema], "net_g", label, param_key=["params", "params_ema"])
    else:
        model.save_network(model.net_g, "net_g", label)


def _stock_spec(section: Mapping[str, Any]) -> str:
    """What a number of BasicSR's own models is."""
    if section["type"] != "calculate_iqa":
        return f"BasicSR {section['type']}, mean over the set"
    return f"{metric_spec(section['metric'])}; crop {section.get('crop_border', 0)}, 8 bit, mean over the set"


def _plain(value: Any) -> Any:
    """What YAML can hold."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _shown(path: str | Path) -> str:
    """Relative to the working folder where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
