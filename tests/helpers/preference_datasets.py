"""Writes labels of pairs in the published layouts, and tables of metrics that are right as often as wanted."""

import json
from pathlib import Path

from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable

GENERATIVE = ("SeeSR", "OSEDiff", "StableSR", "SUPIR", "SinSR", "RealESRGAN", "BSRGAN", "HGGT")
REGRESSION = ("SwinIR", "RealESRNet")
CONTENTS = [
    f"{kind}{number}" for kind, count in (("srtest", 54), ("online", 23), ("realworld", 23)) for number in range(count)
]
"""As many as SRIQA-Bench has, in the same proportions."""


def sriqa_name(content, method):
    return f"{content}_{method}" + ("" if method == "Original" else "x4") + ".png"


def sriqa_key(content, method):
    return f"images/{method}/{sriqa_name(content, method)}"


def write_sriqa(root, contents=CONTENTS, parts=("MOS", "MOS_Reg", "MOS_Gen")):
    """Scores alone: the original is best, the networks of regression are worst, the order of the others changes."""
    for number, content in enumerate(contents):
        for part in parts:
            path = Path(root) / part / f"{content}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            order = sriqa_order(number)
            if part != "MOS":
                others = REGRESSION if part == "MOS_Reg" else GENERATIVE
                order = [method for method in order if method in ("Original", *others)]
            scores = [100.0 * (1 - position / (len(order) - 1)) for position in range(len(order))]
            scores[0] += 2e-14  # as published: the normalization is not exact
            lines = [f"{sriqa_name(content, one)},{score!r}" for one, score in zip(order, scores, strict=True)]
            path.write_text("\n".join(lines) + "\n")
    return Path(root)


def sriqa_order(number):
    """The methods of the content of this number, what observers like best first."""
    turn = number % len(GENERATIVE)
    networks = GENERATIVE[turn:] + GENERATIVE[:turn]
    return ["Original", *networks, *(REGRESSION if number % 2 else REGRESSION[::-1])]


def disordered(items, inversions):
    """The items in an order in which exactly so many pairs stand the wrong way round."""
    left, found = list(items), []
    while left:
        position = min(inversions, len(left) - 1)
        inversions -= position
        found.append(left.pop(position))
    assert inversions == 0
    return found


def spread(total, parts):
    """A whole number as a sum of so many that differ by one at most."""
    return [total // parts + (position < total % parts) for position in range(parts)]


def sriqa_metric(name, higher_is_better, wrong):
    """Facts and rows of a metric that is wrong in `(Reg, Gen, All)` of the pairs of `write_sriqa`."""
    reg, gen, every = wrong
    counts = zip(*(spread(count, len(CONTENTS)) for count in (reg, gen, every - reg - gen)), strict=True)
    rows = []
    for number, (content, (in_reg, in_gen, across)) in enumerate(zip(CONTENTS, counts, strict=True)):
        order = sriqa_order(number)
        networks, last = disordered(order[1:9], in_gen), disordered(order[9:], in_reg)
        networks.insert(len(networks) - across, last.pop(0))  # passes so many networks, and no other pair changes
        for position, method in enumerate(["Original", *networks, *last]):
            rows.append(ScoreRow("", sriqa_key(content, method), "", name, -position if higher_is_better else position))
    return MetricFacts(name, higher_is_better, "made for a test"), rows


def write_table(path, *metrics):
    ScoreTable((facts for facts, _ in metrics), (row for _, rows in metrics for row in rows)).write(path)
    return str(path)


def table_of(name, scores, higher_is_better=True, spec="made for a test", reference=""):
    """Facts and rows of a metric from the scores of images."""
    rows = [ScoreRow("", key, reference, name, score) for key, score in scores.items()]
    return MetricFacts(name, higher_is_better, spec), rows


def write_sriqa_votes(root, content, votes):
    """`labels/`: for each two methods a text with the vote of each person: 1, 2 or = for a tie."""
    words = {"1": ("Positive", "Negative"), "2": ("Negative", "Positive"), "=": ("Similar", "Similar")}
    for (first, second), given in votes.items():
        for person, vote in zip("ABCDEFGHIJ", given, strict=False):
            names = [sriqa_name(content, method) for method in (first, second)]
            images = [{"Name": name, "Label": label} for name, label in zip(names, words[vote], strict=True)]
            path = Path(root) / "labels" / person / content / f"{content}_{first}_{second}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"Image_01": images[0], "Image_02": images[1]}))
