"""Makes small result folders and experiments for the tests of reports."""

import numpy as np
import yaml

from iqa_sr.scores.result_folder import CheckpointFacts, DataSetFacts, RunFacts, image_file, image_name, write_run
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from tests.helpers.sr_datasets import make_image, save

FACTS = [MetricFacts("psnr", True, "RGB"), MetricFacts("niqe", False, "luma")]
# A name that would end a script element, be read as markup, or break an attribute.
EVIL = """</script><b>'"&Größe ½"""


def run_facts(labels, datasets=("set",), images=3, **changes):
    """Facts of a run: the checkpoints are iterations 100, 200, ... of one training."""
    checkpoints = {
        label: CheckpointFacts(
            path=f"exp/models/{label}.pth", sha256="0" * 64, architecture="SwinIR", iteration=100 * n
        )
        for n, label in enumerate(labels, start=1)
    }
    sets = {name: DataSetFacts(images=images) for name in datasets}
    return RunFacts(**{"scale": 2, "datasets": sets, "checkpoints": checkpoints, "command": ["evaluate"], **changes})


def write_results(folder, labels=("a", "b"), keys=("p0", "p1", "p2"), datasets=("set",), images=True, seed=0):
    """A result folder: each later checkpoint is better in PSNR and, for NIQE, worse."""
    write_run(folder, run_facts(labels, datasets, len(keys)))
    generator = np.random.default_rng(seed)
    table = ScoreTable(FACTS)
    for dataset in datasets:
        for key in keys:
            base = generator.normal(30, 2)
            for rank, label in enumerate(["bicubic", *labels, "original"]):
                name = image_name(dataset, key)
                if label != "original":
                    table.append([ScoreRow(label, name, "gt", "psnr", base + rank + generator.normal(0, 0.1))])
                table.append([ScoreRow(label, name, "", "niqe", 4 + 0.5 * rank + generator.normal(0, 0.1))])
                if images:
                    save(image_file(folder, label, dataset, key), make_image(rank, 32, 48))
    table.write(folder / "scores.csv")
    return folder


def write_experiment(root, name="run", held_out=("niqe",), alarm_at=200):
    """`experiments/<name>/` as a training leaves it, with scores, images, originals and TensorBoard's curves."""
    from torch.utils.tensorboard import SummaryWriter

    folder = root / "experiments" / name
    table = ScoreTable(FACTS)
    for label, score in (("bicubic", 28.0), ("100", 29.0), ("200", 30.0)):
        for key in ("p0", "p1"):
            table.append(
                [
                    ScoreRow(label, f"val/{key}", "original", "psnr", score),
                    ScoreRow(label, f"val/{key}", "", "niqe", 5.0),
                ]
            )
            save(folder / "visualization" / key / f"{key}_{label}.png", make_image(len(label), 32))
            save(root / "data" / "original" / f"{key}.png", make_image(9, 32))
    table.write(folder / "scores.csv")
    options = {
        "name": name,
        "scale": 2,
        "root_path": str(root),
        "datasets": {"val": {"name": "val", "phase": "val", "dataroot_gt": "data"}},
        "network_g": {"type": "SwinIR"},
        "train": {"pixel_opt": {"type": "L1Loss"}, "guard": {"held_out": list(held_out), "action": "warn"}},
    }
    (folder / f"{name}.yml").write_text(yaml.safe_dump(options))
    writer = SummaryWriter(str(root / "tb_logger" / name))
    for step in (100, 200, 300):
        for tag, value in (
            ("sampler/share_original", 0.25),
            ("sampler/share_01", 0.75),
            ("sampler/quality_chosen", step / 100),
            ("guard/niqe", 5 + step / 100),
            ("guard/musiq", 50 + step),
            ("guard/psnr", 30.0),
            ("guard/alarm", float(step == alarm_at)),
            ("losses/l_pix", 0.1),
        ):
            writer.add_scalar(tag, value, step)
    writer.close()
    return folder
