"""Splits of opinion scores by content, and the data set made of a part."""

from pathlib import Path

import pytest

from iqa_sr.data.leakage import check_together
from iqa_sr.data.mos.scores import Opinion
from iqa_sr.data.problems import DataError
from iqa_sr.data.splits import split_by_content
from iqa_sr.datasets.mos_dataset import OpinionDataset
from iqa_sr.errors import OptionError
from tests.helpers.mos_datasets import write_csv, write_kadid
from tests.helpers.sr_datasets import make_image, save

RANGE = (0.0, 10.0)


# --- Splits -----------------------------------------------------------------------------------------------------------


def opinions_of(contents, each=3):
    return [Opinion(Path(f"c{c}_{n}.png"), float(n), f"c{c}", n / 10) for c in range(contents) for n in range(each)]


@pytest.mark.parametrize(
    ("contents", "counts"), [(25, [18, 2, 5]), (81, [57, 8, 16]), (10, [7, 1, 2]), (29, [20, 3, 6]), (3, [1, 1, 1])]
)
def test_a_split_is_seven_to_one_to_two_by_content(contents, counts):
    parts = split_by_content(opinions_of(contents), seed=1)
    found = [{opinion.content for opinion in part} for part in parts.values()]
    assert list(parts) == ["train", "val", "test"] and [len(part) for part in found] == counts
    assert not (found[0] & found[1] or found[0] & found[2] or found[1] & found[2])
    assert sum(len(part) for part in parts.values()) == 3 * contents


def test_a_split_depends_on_the_seed_and_the_contents_only():
    opinions = opinions_of(40)
    parts = split_by_content(opinions, seed=5)
    turned = split_by_content(opinions[::-1], seed=5)
    assert all({o.path for o in parts[name]} == {o.path for o in turned[name]} for name in parts)
    assert parts["test"] != split_by_content(opinions, seed=6)["test"]
    # By hand: the last two lines of `printf 0:c$i | sha256sum`, sorted. No version may move images between parts.
    assert sorted({o.content for o in split_by_content(opinions_of(10), seed=0)["test"]}) == ["c1", "c8"]


def test_too_few_contents_cannot_be_split():
    with pytest.raises(ValueError, match="2 contents cannot be split 7:1:2, at least 3 are needed"):
        split_by_content(opinions_of(2), seed=0)


# --- The data set -----------------------------------------------------------------------------------------------------


def dataset(root, **changes):
    section = {"name": "x", "type": "OpinionDataset", "phase": "train", "layout": "kadid10k", "dataroot": str(root)}
    section |= {"split_seed": 0, "crop": 48, "batch_size_per_gpu": 4}
    return OpinionDataset({key: value for key, value in (section | changes).items() if value is not None})


def test_the_parts_of_a_data_set_share_no_content(tmp_path):
    write_kadid(tmp_path)
    parts = [dataset(tmp_path, split=split) for split in ("train", "val", "test")]
    contents = [{opinion.content for opinion in part.opinions} for part in parts]
    assert [len(part) for part in parts] == [70, 10, 20] and len(set.union(*contents)) == 10
    assert len(dataset(tmp_path, split="all")) == 100
    assert dataset(tmp_path, phase="val").opinions == parts[1].opinions


def test_training_crops_are_random_and_validation_is_not(tmp_path):
    write_kadid(tmp_path, contents=3, size=72)
    training = dataset(tmp_path)
    first, second = training[0], training[0]
    assert first["image"].shape == (3, 48, 48) and first["image"].min() >= 0 and first["image"].max() <= 1
    assert not first["image"].equal(second["image"]) and first["quality"].equal(second["quality"])
    whole, middle = dataset(tmp_path, phase="val", crop=None)[3], dataset(tmp_path, phase="val")[3]
    assert whole["image"].shape == (3, 72, 72) and middle["image"].equal(whole["image"][:, 12:60, 12:60])
    assert whole["quality"] == 0.25 and whole["path"].endswith("_01_04.png")


def test_images_are_resized_by_their_shorter_side(tmp_path):
    save(tmp_path / "a.png", make_image(0, 120, 180))
    save(tmp_path / "b.png", make_image(1, 30, 40))
    write_csv(tmp_path, ["a.png,1", "b.png,2"])
    options = {"layout": "csv", "score_range": RANGE, "split": "all", "phase": "val", "crop": None, "resize": 60}
    shapes = [tuple(sample["image"].shape) for sample in dataset(tmp_path, **options)]
    assert shapes == [(3, 60, 90), (3, 60, 80)]


def test_small_and_damaged_images_are_found_before_training(tmp_path):
    write_csv(tmp_path, ["a.png,1", "b.png,2", "c.png,3", "d.png,4"])
    save(tmp_path / "b.png", make_image(1, 40, 64))
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:200])
    with pytest.raises(DataError) as caught:
        dataset(tmp_path, layout="csv", score_range=RANGE, split="all")
    text = str(caught.value)
    assert "1 images that are too small" in text and "b.png is 40x64 (HxW), smaller than 48 px" in text
    assert "1 unusable images" in text and text.startswith("datasets:train: ") and len(text.splitlines()) <= 5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"crop": None}, "training needs crop"),
        ({"crop": 64, "resize": 48}, "expected resize of at least crop 64"),
        ({"layout": "tid"}, "there is no such layout; did you mean tid2013"),
        ({"layout": "csv"}, "the layout csv needs score_range"),
        ({"split_seed": None}, "datasets:train:split_seed: the file of the scores has no column of splits"),
        ({"score_range": (5.0, 1.0)}, "expected the lowest and the highest possible score"),
        ({"seed": 3}, "datasets:train:seed: unknown key"),
    ],
)
def test_wrong_options(tmp_path, changes, expected):
    write_kadid(tmp_path, contents=3)
    with pytest.raises(OptionError, match=expected):
        dataset(tmp_path, **changes)


def test_a_column_of_splits_is_followed(tmp_path):
    write_csv(tmp_path, ["a.png,1,train", "b.png,2,train", "c.png,3,test"], "image,score,split")
    options = {"layout": "csv", "score_range": RANGE, "split_seed": None}
    assert [opinion.path.name for opinion in dataset(tmp_path, **options).opinions] == ["a.png", "b.png"]
    with pytest.raises(OptionError, match="no image is in the split val"):
        dataset(tmp_path, phase="val", **options)


def test_a_part_with_a_single_rating_level(tmp_path):
    write_csv(tmp_path, ["a.png,1,train", "b.png,1,train", "c.png,3,test"], "image,score,split")
    with pytest.raises(DataError, match="score is the same for all 2 images of the part train"):
        dataset(tmp_path, layout="csv", score_range=RANGE, split_seed=None)


@pytest.mark.parametrize("changes", [{"split": "all"}, {"split": "test", "split_seed": 1}])
def test_contents_of_training_in_validation_are_refused(tmp_path, changes):
    """Also where the same folder has two names."""
    write_kadid(tmp_path / "kadid", levels=2)
    (tmp_path / "other").symlink_to(tmp_path / "kadid")
    training, validation = dataset(tmp_path / "kadid"), dataset(tmp_path / "other", phase="val")
    check_together({"train": training, "val": validation})
    found = dataset(tmp_path / "other", phase="val", **changes)
    shared = len({o.content for o in training.opinions} & {o.content for o in found.opinions})
    total = len({o.content for o in found.opinions})
    expected = f"{shared} of the {total} contents of datasets:val_2 are in datasets:train\n  .*/kadid: I0"
    with pytest.raises(DataError, match=expected) as caught:
        check_together({"train": training, "val": validation, "val_2": found})
    assert shared > 0 and len(str(caught.value).splitlines()) <= 5
