"""Writes small collections of generated images in their published layouts."""

from pathlib import Path

import numpy as np

from tests.helpers.mos_datasets import BLANK, distorted, textured
from tests.helpers.sr_datasets import save

HEADER = "name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align"


def write_agiqa(root, prompts=14, size=48):
    """AGIQA-3K's layout, six images of each prompt: quality falls with noise, alignment with darkness."""
    lines = [HEADER]
    for prompt in range(prompts):
        pixels = textured(prompt, size)
        for level in range(6):
            darkness = (level * 5 + prompt) % 6  # not in step with the level
            name = f"sd_{prompt:03d}_{level}.jpg"
            degraded = distorted(pixels, "noise", 2 * level) * (1 - 0.07 * darkness)
            save(Path(root) / "image" / name, degraded.astype(np.uint8))
            scores = f"{4.6 - 0.8 * level:.3f},0.3,{4.4 - 0.7 * darkness:.3f},0.4"
            lines.append(f'{name},"a photo of cats, {prompt}",,,,{scores}')
    (Path(root) / "data.csv").write_text("\n".join(lines) + "\n")
    return Path(root)


def write_agiqa_lines(root, lines, header=HEADER, folder="image"):
    """`data.csv` with these lines and a blank image for each name in them."""
    for line in lines:
        save(Path(root) / folder / line.split(",")[0], BLANK)
    (Path(root) / "data.csv").write_text("\n".join([header, *lines]) + "\n")
    return Path(root)


def write_aigciqa(root, prompts=5, generators=2, files="published", pixels=BLANK):
    """AIGCIQA2023's layout, as published (MATLAB and Excel files) or with CSV files; returns the three arrays."""
    root = Path(root)
    count = prompts * 4 * generators
    for number in range(count):
        save(root / "Image/allimg" / f"{number}.png", pixels)
    scores = np.random.default_rng(5).uniform(20, 80, (3, count))
    (root / "DATA/MOS").mkdir(parents=True)
    texts = [f"scene {number} with a few words" for number in range(prompts)]
    if files == "published":
        from openpyxl import Workbook
        from scipy.io import savemat

        for number, values in enumerate(scores, start=1):
            savemat(root / "DATA/MOS" / f"mosz{number}.mat", {"MOSz": values[:, None]})
        book = Workbook()
        for number, text in enumerate(texts):
            book.active.append([number + 1, "Animals", text])
        book.save(root / "prompts.xlsx")
    else:
        for number, values in enumerate(scores, start=1):
            (root / "DATA/MOS" / f"mosz{number}.csv").write_text("".join(f"{value!r}\n" for value in values.tolist()))
        (root / "prompts.csv").write_text("".join(f"{text}\n" for text in ["prompt", *texts]))
    return scores
