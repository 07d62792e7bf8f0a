"""Pairs as they are learned from: parts, weights, one place of both images, and what is refused."""

import cv2
import numpy as np
import pytest
import torch

from iqa_sr.data.leakage import check_together
from iqa_sr.data.problems import DataError
from iqa_sr.datasets.preference_dataset import PreferenceDataset
from iqa_sr.errors import OptionError
from tests.helpers.pair_tables import line, write_answers, write_lines, write_versions
from tests.helpers.sr_datasets import save


def dataset(folder, phase="train", **changes):
    section = {"name": "x", "type": "PreferenceDataset", "phase": phase, "dataroot": str(folder), "crop": 32}
    return PreferenceDataset({**section, **changes})


def shown(data):
    """Versions, share and weight of each pair, by its content."""
    found = {}
    for pair, share, weight in data.pairs:
        names = tuple(key.partition("/")[0] for key in (pair.first, pair.second))
        found.setdefault(pair.content, []).append((*names, share, weight))
    return found


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    return write_answers(tmp_path_factory.mktemp("answers"))


def test_contents_are_held_out_and_known_pairs_are_trained_on(answered):
    train, val = dataset(answered), dataset(answered, "val")
    check_together({"train": train, "val": val})
    assert len(train.contents()) == 7 and len(val.contents()) == 5 and len(train) == 28 and len(val) == 15
    assert all(len(pairs) == 4 for pairs in shown(train).values())
    assert all("degraded" not in names for pairs in shown(val).values() for names in pairs)
    weights = {names[1] == "degraded": names[3] for pairs in shown(train).values() for names in pairs}
    assert weights[True] == pytest.approx(weights[False] / 2)
    assert sum(one.weight for one in train.pairs) == pytest.approx(len(train))
    assert len(dataset(answered, known_weight=0)) == 21
    assert shown(dataset(answered, split_seed=1)) != shown(train)
    with pytest.raises(DataError, match="training and validation must share no content"):
        check_together({"train": train, "val": dataset(answered, "val", split_seed=1)})


def test_repeats_and_raters_are_weighted(tmp_path):
    """ben has one of three known pairs right, and counts for nothing; ann contradicts herself in c1."""
    write_versions(tmp_path, 2)
    lines = []
    for content in ("c0", "c1"):
        lines += [line("smooth", "noisy", 1, content=content), line("smooth", "noisy", 0, "ben", content=content)]
        lines += [line("original", "noisy", 0, "ben", content=content)]
        lines += [line("noisy", "smooth", int(content == "c1"), kind="repeat", content=content)]
        lines += [line("smooth", "original", 1, content=content)]
        lines += [line("original", "degraded", 0, "ben", "known", content)]
    write_lines(tmp_path / "pairs.csv", lines)
    found = shown(dataset(tmp_path)) | shown(dataset(tmp_path, "val"))
    assert found == {
        "c0": [("smooth", "noisy", 1, pytest.approx(4 / 3)), ("smooth", "original", 1, pytest.approx(2 / 3))],
        "c1": [("smooth", "noisy", 0.5, pytest.approx(4 / 3)), ("smooth", "original", 1, pytest.approx(2 / 3))],
    }
    write_lines(tmp_path / "pairs.csv", [one for one in lines if one["rater"] == "ben"])
    with pytest.raises(DataError, match=r"no pair of .* has a weight; weights of the raters by their known pairs: ben"):
        dataset(tmp_path)


def where(sample, image):
    """Top left of a sample's crop in the image that it was cut out of."""
    crop = (sample * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)
    errors = cv2.matchTemplate(image, np.ascontiguousarray(crop), cv2.TM_SQDIFF)
    left, top = cv2.minMaxLoc(errors)[2]
    assert errors[top, left] < 100  # rounding
    return top, left


@pytest.mark.parametrize(
    ("crop", "tops", "lefts"),
    [
        ("", range(33), range(65)),
        ("10 20 40 36", range(10, 19), range(20, 25)),  # within what was compared
        ("30 0 16 16", {22}, {0}),  # around it, and inside of the image
    ],
)
def test_both_images_are_cut_at_one_place_within_what_was_compared(crop, tops, lefts, tmp_path):
    noise = np.random.default_rng(0).integers(0, 128, (64, 96, 3)).astype(np.uint8)
    for content in ("c0", "c1"):
        save(tmp_path / "dark" / f"{content}.png", noise)
        save(tmp_path / "light" / f"{content}.png", 2 * noise)
    lines = [line("dark", "light", 1, content=content, crop=crop) for content in ("c0", "c1")]
    write_lines(tmp_path / "pairs.csv", lines)
    train, val = dataset(tmp_path, use_hflip=False), dataset(tmp_path, "val")
    places = set()
    for seed in range(12):
        torch.manual_seed(seed)
        sample = train[0]
        assert sample["first"].shape == (3, 32, 32) and float(sample["preference"]) == 1
        places.add(where(sample["first"], noise))
        assert where(sample["second"], 2 * noise) == where(sample["first"], noise)
    assert {top for top, _ in places} <= set(tops) and {left for _, left in places} <= set(lefts)
    assert len(places) == 1 if crop.endswith("16 16") else len(places) > 4
    (middle,) = {where(val[0]["first"], noise) for _ in range(2)}
    assert middle == (tops[len(tops) // 2], lefts[len(lefts) // 2]) if isinstance(tops, range) else middle == (22, 0)
    train.options = train.options.model_copy(update={"use_hflip": True, "use_rot": True})
    samples = []
    for seed in range(24):
        torch.manual_seed(seed)
        samples.append(train[0])
    for sample in samples:
        torch.testing.assert_close(sample["second"], 2 * sample["first"])
    torch.manual_seed(3)
    assert torch.equal(train[0]["first"], samples[3]["first"])


def test_pairs_of_a_plain_table_have_one_weight(tmp_path):
    write_versions(tmp_path, 2)
    text = "first,second,preference,content\n"
    text += "".join(f"smooth/c{number}.png,noisy/c{number}.png,0.75,c{number}\n" for number in range(2))
    (tmp_path / "list.csv").write_text(text)
    found = dataset(tmp_path, file=str(tmp_path / "list.csv"))
    assert [pairs for pairs in shown(found).values()] == [[("smooth", "noisy", 0.75, 1)]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("smooth", "noisy", 1), line("smooth", "noisy", 1, content="c9")], "2 missing images"),
        ([line("smooth", "noisy", 1)], "1 contents cannot be split, at least 2 are needed; compare images of other"),
        (
            [line("smooth", "noisy", 1, content=f"c{number}", crop="20 20 32 29") for number in range(2)],
            r"1 crops outside of the image\n.*48x48 \(HxW\) and was compared at 20 20 32 29",
        ),
        (
            [line("smooth", "large", 1, content=f"c{number}") for number in range(2)],
            r"1 sizes that differ\n.*smooth/c\d.png is 48x48 \(HxW\), and large/c\d.png, which it is compared with",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(lines, message, tmp_path):
    write_versions(tmp_path, 2)
    for number in range(2):
        save(tmp_path / "large" / f"c{number}.png", np.zeros((50, 50, 3), np.uint8))
    write_lines(tmp_path / "pairs.csv", lines)
    with pytest.raises(DataError, match=message):
        for phase in ("train", "val"):
            dataset(tmp_path, phase)


def test_a_crop_that_does_not_fit_is_told(answered):
    with pytest.raises(DataError, match="smaller than the crop of 64; set crop to 48 or less"):
        dataset(answered, crop=64)
    with pytest.raises(OptionError, match="datasets:train:held_out"):
        dataset(answered, held_out=1)
