"""Known pairs: the copy is visibly worse, the same each time, and on the disk before it is asked about."""

import cv2
import numpy as np
import pytest

from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.labeling import known_pairs
from iqa_sr.labeling.crops import most_different
from iqa_sr.labeling.known_pairs import VISIBLE_JOD, degraded_key
from iqa_sr.labeling.pixels import as_png, read_pixels
from iqa_sr.metrics import create_metric
from tests.helpers.full_disk import full_device
from tests.helpers.sr_datasets import make_image, save


@pytest.mark.parametrize("seed", range(4))
def test_the_copy_is_visibly_worse_where_it_is_looked_at(tmp_path, seed):
    pixels = make_image(seed, 96)
    save(tmp_path / "a" / "p.png", pixels)
    key = degraded_key(tmp_path, "a/p.png", seed)
    assert key.startswith("labels/.known/") and key.endswith(".png")
    made = read_pixels(tmp_path, key)
    assert made.shape == pixels.shape
    jod = float(create_metric("cvvdp")(to_tensor(made)[None], to_tensor(pixels)[None]))
    assert jod <= VISIBLE_JOD and most_different(made, pixels) == (0, 0, 96, 96)
    content = (tmp_path / key).read_bytes()
    (tmp_path / key).unlink()
    assert degraded_key(tmp_path, "a/p.png", seed) == key and (tmp_path / key).read_bytes() == content


def test_a_flat_image_and_a_tiny_one_have_a_worse_copy_too(tmp_path):
    save(tmp_path / "flat.png", np.full((64, 64, 3), 128, np.uint8))
    save(tmp_path / "tiny.png", make_image(0, 8))
    for name in ("flat.png", "tiny.png"):
        for seed in range(3):
            made = read_pixels(tmp_path, degraded_key(tmp_path, name, seed))
            assert np.abs(made.astype(int) - read_pixels(tmp_path, name)).mean() > 3


def test_a_copy_that_is_there_is_not_made_again(tmp_path, monkeypatch):
    save(tmp_path / "p.png", make_image(0))
    key = degraded_key(tmp_path, "p.png", 0)
    monkeypatch.setattr(known_pairs, "_degraded", lambda *_: pytest.fail("made again"))
    assert degraded_key(tmp_path, "p.png", 0) == key


def test_on_a_full_disk_there_is_no_half_of_a_copy(tmp_path):
    save(tmp_path / "p.png", make_image(0))
    with full_device(500), pytest.raises(OSError, match="File too large"):
        degraded_key(tmp_path, "p.png", 0)
    assert list((tmp_path / "labels" / ".known").iterdir()) == []


def test_pixels_are_8_bit_and_their_png_has_nothing_else(tmp_path):
    deep = np.array([[[0, 127, 128], [129, 32768, 65535]]], np.uint16).repeat(4, 0)
    save(tmp_path / "deep.png", deep)
    pixels = read_pixels(tmp_path, "deep.png")
    assert pixels.dtype == np.uint8 and pixels[0].tolist() == [[0, 0, 0], [1, 128, 255]]
    content = as_png(pixels)
    assert (cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] == pixels).all()
    kinds = {
        kind for kind in (b"IHDR", b"IDAT", b"IEND", b"iCCP", b"gAMA", b"sRGB", b"tEXt", b"pHYs") if kind in content
    }
    assert kinds == {b"IHDR", b"IDAT", b"IEND"}
