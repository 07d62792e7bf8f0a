"""Summary at the end of a run: where everything is, and what was gained."""

import math
import os
from pathlib import Path
from typing import Any

from iqa_sr.models.model_base import ModelBase
from iqa_sr.runtime.packages import is_installed
from iqa_sr.scores.experiment_folder import ExperimentFolder
from iqa_sr.scores.means import image_means, mean
from iqa_sr.scores.score_table import BASELINES, ScoreTable
from iqa_sr.training.validation_run import ValidationRun

__all__ = ["summary_lines"]


def summary_lines(
    model: Any,
    iteration: int,
    folder: ExperimentFolder,
    log_file: Path,
    curves: Path | None,
    validation: ValidationRun | None,
) -> list[str]:
    """Lines of the last message of a training: results, files and the guard's line.

    Args:
        model: The trained model; its guard has a line of its own.
        iteration: The last one.
        folder: Folder of the run.
        log_file: Path of the run.
        curves: The folder of TensorBoard's files; None without.
        validation: The validations of the run; None where it has none.
    """
    lines = [
        f"End of training after {iteration} iterations.",
        f"  checkpoints   {_shown(folder.models)} (net_g_latest.pth, one best of each metric)",
        f"  log           {_shown(log_file)}",
    ]
    if curves:
        lines.append(f"  curves        tensorboard --logdir {_shown(curves.parent)}")
    if validation is not None and validation.table.rows:
        lines.append(f"  scores        {_shown(folder.scores_file)}")
        if validation.save_img:
            lines.append(f"  images        {_shown(folder.visualization)}")
        lines += _gains(validation.table, str(iteration))
    if isinstance(model, ModelBase) and model.reward_guard and (guard := model.reward_guard.summary()):
        lines.append(f"  {guard}")
    if curves or (validation is not None and validation.table.rows):
        first = "" if is_installed("plotly") else "  (needs plotly: pip install plotly)"
        lines.append(f"  report        iqa-sr report {_shown(folder.path)}{first}")
    return lines


def _gains(table: ScoreTable, final: str) -> list[str]:
    """Lines by metric: the baseline against the last checkpoint, over the images that both have a score of."""
    lines = []
    images = image_means(table.rows)
    baseline = next((row.checkpoint for row in table.rows if row.checkpoint in BASELINES), "")
    for metric, facts in table.facts.items():
        scores, others = (images.get((label, metric), {}) for label in (final, baseline))
        if not scores:
            continue
        arrow = "higher is better" if facts.higher_is_better else "lower is better"
        common = [image for image in scores if image in others] or list(scores)
        now, before = (mean(found[image] for image in common if image in found) for found in (scores, others))
        count = len(scores.keys() | others.keys())
        if others and len(common) < count:
            arrow += f"; {count - len(common)} of {count} images left out, without a score"
        if math.isnan(before):
            lines.append(f"  {metric}: {now:.4f} ({arrow})")
            continue
        better = (now > before) == facts.higher_is_better and now != before
        comparison = "better" if better else "equal" if now == before else "worse"
        lines.append(f"  {metric}: {baseline} {before:.4f} -> {now:.4f} ({now - before:+.4f}, {comparison}; {arrow})")
    return lines


def _shown(path: Path) -> str:
    """Relative to the working folder where that is shorter, and the same drive of Windows."""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        return str(path)
    return relative if len(relative) < len(str(path)) else str(path)
