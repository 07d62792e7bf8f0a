"""What the benchmark of blind spots takes for results where there is no network."""

import numpy as np
import torch

from benchmarks.blindness import SIDE, windows_of
from iqa_sr.io.images import write_image
from iqa_sr.ops.resize import resize_bicubic
from tests.helpers.golden_images import photo


def test_bicubic_results_lie_on_their_ground_truths(tmp_path):
    image = photo("chelsea", 20, 60, SIDE + 1, SIDE)
    write_image(tmp_path / "a.png", (image * 255).round().byte().permute(1, 2, 0).numpy().astype(np.uint8))
    results, gts, scale = windows_of(tmp_path, "bicubic")
    assert scale == 2 and results.shape == gts.shape == (1, 3, SIDE, SIDE)
    assert torch.equal(gts[0], image[:, :SIDE])
    way = resize_bicubic(gts, SIDE // 2, SIDE // 2)
    torch.testing.assert_close(results, resize_bicubic(way, SIDE, SIDE).clamp(0, 1), rtol=0, atol=2 / 255)
    assert (results - gts).abs().mean() > 0.005
