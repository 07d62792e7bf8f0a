"""The README's strip and table are made of networks that are there."""

import numpy as np
import pytest
from PIL import Image

from tests import ROOT
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.tiny_networks import save_network


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import sample_run

    monkeypatch.setattr(sample_run, "METRICS", {"psnr": "dB ↑", "ssim": "↑"})
    return sample_run


def test_a_strip_and_a_table(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        save(tmp_path / "val" / f"p{number}.png", make_image(number, 128))
        save_network(tmp_path / f"net{number}.pth", seed=number)
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- sample: strip -->\nold\n<!-- end -->\n<!-- sample: table -->\n<!-- end -->\nb\n")
    words = ["--networks", "L1=net0.pth", "argmax-online=net1.pth", "--data", "val", "--strip", "docs/sample.png"]
    monkeypatch.setattr("sys.argv", ["sample_run.py", *words, "--output", "out", "--readme", "README.md"])
    assert script.main() == 0
    text = readme.read_text(encoding="utf-8")
    assert "![Crops: LQ, L1, argmax-online, GT](docs/sample.png)" in text and "old" not in text
    table = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert table == ["", "---", "bicubic", "L1", "argmax-online"]
    strip = np.asarray(Image.open("docs/sample.png"))
    edge = script.SIDE * script.FACTOR
    assert strip.shape == (2 * (edge + 4) + script.LABEL, 4 * (edge + 4) - 4, 3)
    lq = strip[script.LABEL : script.LABEL + edge, :edge]
    assert (lq[::4, ::4].repeat(4, 0).repeat(4, 1) == lq).all()  # pixels of the LQ, four times as large


def test_the_crop_is_where_bicubic_upscaling_is_worst(script):
    original = np.zeros((160, 200, 3), dtype=np.uint8)
    bicubic = original.copy()
    bicubic[50:146, 70:166] = 9
    assert script.crop_of(bicubic, original) == (50, 70)
