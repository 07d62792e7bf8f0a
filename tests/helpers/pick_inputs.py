"""What `iqa-sr pick` chooses from: tables of scores, and files of checkpoints."""

from pathlib import Path

from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable

FACTS = {"psnr": True, "niqe": False, "musiq": True, "lpips-vgg": False}
# psnr, niqe, musiq, lpips-vgg: by Borda 2000 is first; by psnr 1000, by niqe 3000.
MEANS = {"1000": (30.0, 5.0, 50.0, 0.30), "2000": (29.8, 4.0, 60.0, 0.10), "3000": (29.0, 3.5, 55.0, 0.20)}
IMAGES = 12


def scores(means=MEANS, images=IMAGES, facts=FACTS):
    """A table in which the images differ, by the same for every checkpoint."""
    table = ScoreTable(MetricFacts(name, higher) for name, higher in facts.items())
    for label, values in means.items():
        for number in range(images):
            for name, value in zip(facts, values, strict=True):
                reference = "original" if name in ("psnr", "lpips-vgg") else ""
                table.append([ScoreRow(label, f"set/p{number}", reference, name, value * (1 + number / 50))])
    return table


def save(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"network {text}".encode() * 1000)
    return path


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }
