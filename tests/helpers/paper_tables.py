"""Makes result folders of known means for the tests of tables."""

from iqa_sr.scores.result_folder import GOLD_STANDARD, CheckpointFacts, DataSetFacts, RunFacts, write_run
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable

HIGHER = {"psnr": True, "ssimc-basicsr": True, "lpips": False, "musiq": True, "topiq_nr": True}
PAPER = {"border": 4, "against": "positives"}


def write_means(folder, means, datasets=("Test-100",), gold=None, scale=4, settings=PAPER, digest=None, facts=HIGHER):
    """A result folder in which each checkpoint has these means by metric, over two images that differ.

    Args:
        folder: Where it is written.
        means: Mean by metric, by checkpoint.
        datasets: Names of the data sets; all have the same scores.
        gold: Means of the gold standard by metric, if there is one.
        scale: Upscaling factor.
        settings: Border and references.
        digest: Digest of each data set, if it is to be known.
        facts: Whether higher is better, by metric.
    """
    checkpoints = {
        label: CheckpointFacts(path=f"{label}.pth", sha256="0" * 64, architecture="SwinIR") for label in means
    }
    sets = {name: DataSetFacts(images=2, digest=digest) for name in datasets}
    write_run(folder, RunFacts(scale=scale, datasets=sets, checkpoints=checkpoints, settings=settings))
    table = ScoreTable(MetricFacts(name, higher) for name, higher in facts.items())
    for label, own in {**means, **({GOLD_STANDARD: gold} if gold else {})}.items():
        for dataset in datasets:
            for metric, mean in own.items():
                for key, factor in (("p0", 0.9), ("p1", 1.1)):
                    table.append([ScoreRow(label, f"{dataset}/{key}", "", metric, mean * factor)])
    table.write(folder / "scores.csv")
    return folder
