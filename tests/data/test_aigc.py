"""Generated images and their scores: the two collections' layouts, splits by prompt, and what can be wrong."""

import sys

import numpy as np
import pytest

from iqa_sr.data.leakage import check_together
from iqa_sr.data.mos.aigc_scores import read_ratings
from iqa_sr.data.problems import DataError
from iqa_sr.data.splits import split_by_content
from iqa_sr.datasets.aigc_dataset import AIGCDataset
from iqa_sr.errors import OptionError
from tests.helpers.aigc_collections import write_agiqa, write_agiqa_lines, write_aigciqa
from tests.helpers.sr_datasets import make_image, save

GOOD = ["a.jpg,a cat,,,,1.0,0.1,2.0,0.1", "b.jpg,a dog,,,,2.5,0.1,5.0,0.1", "c.jpg,a cat,,,,5.0,0.1,0.0,0.1"]


def dataset(root, layout="agiqa3k", **more):
    return AIGCDataset({"name": "x", "type": "AIGCDataset", "layout": layout, "dataroot": str(root), **more})


# --- Layouts ----------------------------------------------------------------------------------------------------------


def test_agiqa3k_as_it_is_published(tmp_path):
    ratings = read_ratings("agiqa3k", write_agiqa_lines(tmp_path, GOOD))
    assert [rating.path for rating in ratings] == [tmp_path / "image" / name for name in ("a.jpg", "b.jpg", "c.jpg")]
    assert [rating.prompt for rating in ratings] == ["a cat", "a dog", "a cat"]
    assert [rating.scores for rating in ratings] == [
        {"quality": 0.2, "alignment": 0.4},
        {"quality": 0.5, "alignment": 1.0},
        {"quality": 1.0, "alignment": 0.0},
    ]


@pytest.mark.parametrize("folder", ["images", ""])
def test_other_places_for_agiqa3ks_images_are_found(tmp_path, folder):
    ratings = read_ratings("agiqa3k", write_agiqa_lines(tmp_path, GOOD, folder=folder))
    assert ratings[1].path == tmp_path / folder / "b.jpg"


def test_agiqa3k_without_alignment_quoted_prompts_and_names_in_capitals(tmp_path):
    lines = ['A.JPG,"a cat, a dog",3.0', "b.jpg,a dog,2.0"]
    write_agiqa_lines(tmp_path, lines, "name,prompt,mos_quality")
    (tmp_path / "image/A.JPG").rename(tmp_path / "image/a.jpg")
    first, _ = read_ratings("agiqa3k", tmp_path)
    assert (first.prompt, dict(first.scores), first.path.name) == ("a cat, a dog", {"quality": 0.6}, "a.jpg")


@pytest.mark.parametrize("files", ["published", "csv"])
def test_aigciqa2023_with_matlab_and_excel_or_with_csv_files(tmp_path, files):
    scores = write_aigciqa(tmp_path, files=files)
    ratings = read_ratings("aigciqa2023", tmp_path)
    assert len(ratings) == 40
    for number, rating in enumerate(ratings):
        assert rating.path == tmp_path / "Image/allimg" / f"{number}.png"
        assert rating.prompt == f"scene {number // 4 % 5} with a few words"
        found = [rating.scores[aspect] for aspect in ("quality", "authenticity", "alignment")]
        assert found == pytest.approx(scores[:, number] / 100)


def test_aigciqa2023_arranged_in_another_way(tmp_path):
    """Scores with a header in the root, no authenticity, JPEG images, one prompt for each image."""
    for number in range(3):
        save(tmp_path / "allimg" / f"{number}.jpg", make_image(number, 8))
    (tmp_path / "mosz1.csv").write_text("MOSz\n30\n40\n50\n")
    (tmp_path / "mosz3.csv").write_text("60\n50\n40\n")
    (tmp_path / "prompts.csv").write_text("no,text\n1,one thing\n2,another thing\n3,a third thing\n")
    ratings = read_ratings("aigciqa2023", tmp_path)
    assert [rating.prompt for rating in ratings] == ["one thing", "another thing", "a third thing"]
    assert dict(ratings[2].scores) == {"quality": 0.5, "alignment": 0.4}


def test_what_the_readers_need_is_said(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="has no data.csv; set dataroot to the folder of AGIQA-3K"):
        read_ratings("agiqa3k", tmp_path)
    with pytest.raises(FileNotFoundError, match="has no DATA/MOS/mosz1.csv or DATA/MOS/mosz1.mat; set dataroot"):
        read_ratings("aigciqa2023", tmp_path)
    with pytest.raises(ValueError, match="no layout 'agiqa'.*agiqa3k"):
        read_ratings("agiqa", tmp_path)
    write_aigciqa(tmp_path)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ModuleNotFoundError, match="prompts.xlsx is an Excel file.*pip install openpyxl.*prompts.csv"):
        read_ratings("aigciqa2023", tmp_path)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ModuleNotFoundError, match="mosz1.mat is a MATLAB file.*pip install scipy"):
        read_ratings("aigciqa2023", tmp_path)


def test_files_of_another_form_are_named(tmp_path):
    (tmp_path / "data.csv").write_text("image,score\na.png,1\n")
    with pytest.raises(ValueError, match="expected the columns name, prompt, mos_quality, found image, score"):
        read_ratings("agiqa3k", tmp_path)
    write_aigciqa(tmp_path, files="csv")
    (tmp_path / "prompts.csv").write_text("prompt\n" + "text\n" * 7)
    with pytest.raises(ValueError, match="7 prompts do not fit 40 images; expected one prompt for each image, or"):
        read_ratings("aigciqa2023", tmp_path)
    (tmp_path / "DATA/MOS/mosz3.csv").write_text("50\n60\n")
    with pytest.raises(ValueError, match="mosz3.csv has 2 scores, mosz1.csv has 40"):
        read_ratings("aigciqa2023", tmp_path)
    (tmp_path / "DATA/MOS/mosz1.csv").write_text("0.png,50\n1.png,60\n")
    with pytest.raises(ValueError, match="mosz1.csv: expected one score in a line, .* got '1.png,60'"):
        read_ratings("aigciqa2023", tmp_path)


@pytest.mark.parametrize("name", ["DATA/MOS/mosz1.mat", "prompts.xlsx", "DATA/MOS/mosz2.csv", "prompts.csv"])
def test_damaged_files_are_named(tmp_path, name):
    write_aigciqa(tmp_path)
    (tmp_path / name).write_bytes(b"\xff\xfe\xff no such file")
    with pytest.raises(DataError, match=f"datasets:train: .*{name}: (damaged|not a text file)"):
        dataset(tmp_path, "aigciqa2023", split="all")


def test_a_matlab_file_with_something_else_is_refused(tmp_path):
    from scipy.io import savemat

    write_aigciqa(tmp_path)
    savemat(tmp_path / "DATA/MOS/mosz1.mat", {"a": np.ones(3), "b": np.ones(3)})
    with pytest.raises(ValueError, match="mosz1.mat: expected one array of numbers, MOSz, found a, b"):
        read_ratings("aigciqa2023", tmp_path)


# --- What can be wrong with the data ----------------------------------------------------------------------------------


def test_everything_is_said_at_once_with_counts(tmp_path):
    lines = [*GOOD, "d.jpg,a cow,,,,5.1,0.1,2.0,0.1", "e.jpg,a cow,,,,good,0.1,2.0,0.1", "f.jpg,,,,,1.0,0.1,2.0,0.1"]
    write_agiqa_lines(tmp_path, [*lines, GOOD[0], "g.jpg,a cow,,,,1.0,0.1,nan,0.1", "h.jpg,a cow,,,,2.0,0.1,2.0,0.1"])
    (tmp_path / "image/h.jpg").unlink()
    with pytest.raises(DataError) as error:
        read_ratings("agiqa3k", tmp_path)
    text = str(error.value)
    assert "6 problems: 2 scores that are not numbers" in text and len(text.splitlines()) <= 5
    for kind in ("1 scores outside the declared range", "1 double images", "1 missing images", "1 empty prompts"):
        assert kind in text


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([*GOOD, "d.jpg,x,,,,5.1,0,2,0"], "d.jpg: quality is 5.1, declared range 0 to 5 \\(score_range\\)"),
        ([*GOOD, "d.jpg,x,,,,1,0,-2,0"], "d.jpg: alignment is -2, declared range 0 to 5"),
        ([*GOOD, "d.jpg,x,,,,1,0"], "d.jpg: alignment is ''"),
        ([*GOOD, GOOD[1]], "1 double images\n.*b.jpg is named more than once"),
        ([*GOOD, "d.jpg,,,,,1,0,2,0"], "d.jpg has no prompt"),
        (["a.jpg,x,,,,3,0,2,0", "b.jpg,y,,,,3,0,4,0"], "quality is the same for all 2 images: nothing can be learned"),
        ([], "1 empty file"),
    ],
)
def test_each_problem_alone(tmp_path, lines, expected):
    with pytest.raises(DataError, match=expected):
        read_ratings("agiqa3k", write_agiqa_lines(tmp_path, lines))


def test_a_declared_range_replaces_the_published_one(tmp_path):
    write_agiqa_lines(tmp_path, [*GOOD, "d.jpg,x,,,,9,0,2,0"])
    assert read_ratings("agiqa3k", tmp_path, (0.0, 10.0))[3].scores["quality"] == 0.9


def test_the_data_set_finds_small_and_damaged_images(tmp_path):
    root = write_agiqa(tmp_path, prompts=2)
    save(root / "image/sd_000_1.jpg", make_image(0, 31, 64))
    (root / "image/sd_001_2.jpg").write_bytes(b"nothing")
    with pytest.raises(DataError) as error:
        dataset(root, split="all")
    text = str(error.value)
    assert text.startswith("datasets:train: ") and "2 problems" in text
    assert "sd_000_1.jpg is 31x64 (HxW), smaller than 32 px" in text and "sd_001_2.jpg" in text


def test_the_data_set_wants_a_split_that_can_be_learned_from(tmp_path):
    root = write_agiqa(tmp_path, prompts=2)
    with pytest.raises(OptionError, match="train:split: train, val, test are parts 7:1:2 of the prompts: 2 contents"):
        dataset(root)
    with pytest.raises(OptionError, match="train:quality: .* has no scores of authenticity"):
        dataset(root, split="all", quality="authenticity")


def test_one_single_rating_level_in_a_split(tmp_path):
    """Two prompts with one image each, which differ, and one with ten that do not."""
    rows = [f"{n}.jpg,prompt {min(n, 2)},,,,{2 if n < 1 else 3},0" for n in range(12)]
    write_agiqa_lines(tmp_path, rows, "name,prompt,adj1,adj2,style,mos_quality,std_quality")
    for number in range(12):
        save(tmp_path / "image" / f"{number}.jpg", make_image(number, 32))
    assert sorted(_refused(tmp_path, part) for part in ("train", "val", "test")) == [False, False, True]


def _refused(root, part):
    try:
        dataset(root, split=part)
    except DataError as error:
        assert "1 single rating level" in str(error)
        assert f"quality is the same for all 10 images of the part {part}" in str(error)
        return True
    return False


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"layout": "agiqa"}, "layout: there is no such layout; did you mean agiqa3k"),
        ({"score_range": [5, 0]}, "score_range: expected the lowest and the highest"),
        ({"crop": 32}, "crop: unknown key"),
        ({"split": "valid"}, "split"),
    ],
)
def test_wrong_options(tmp_path, change, expected):
    with pytest.raises(OptionError, match=expected):
        dataset(tmp_path, **{"layout": "agiqa3k", **change})


# --- Splits and samples -----------------------------------------------------------------------------------------------


def test_no_prompt_is_in_two_splits_and_the_split_is_the_seeds(tmp_path):
    rows = [f"{n}.jpg,{'A  Cat' if n % 3 else 'a cat'} number {n % 20},,,,{n % 5},0,{n % 4},0" for n in range(80)]
    ratings = read_ratings("agiqa3k", write_agiqa_lines(tmp_path, rows))
    splits = split_by_content(ratings, 1)
    prompts = {name: {rating.content for rating in part} for name, part in splits.items()}
    assert [len(prompts[name]) for name in ("train", "val", "test")] == [14, 2, 4]
    assert len(set.union(*prompts.values())) == 20 and sum(map(len, splits.values())) == 80
    again = split_by_content(reversed(ratings), 1)
    assert all(set(map(id, again[name])) == set(map(id, part)) for name, part in splits.items())
    assert split_by_content(ratings, 2) != splits


def test_samples_are_names_and_numbers(tmp_path):
    root = write_agiqa(tmp_path)
    parts = {phase: dataset(root, phase=phase, split_seed=4) for phase in ("train", "val")}
    parts["test"] = dataset(root, phase="val", split="test", split_seed=4)
    assert [len(parts[name]) for name in ("train", "val", "test")] == [60, 6, 18]
    prompts = {name: {part[index]["prompt"] for index in range(len(part))} for name, part in parts.items()}
    assert len(set.union(*prompts.values())) == sum(map(len, prompts.values())) == 14
    sample = parts["val"][0]
    assert sorted(sample) == ["alignment", "path", "prompt", "quality"]
    assert sample["path"].startswith(str(root / "image")) and 0 <= sample["quality"] <= 1


def test_prompts_of_training_in_validation_are_refused(tmp_path):
    root = write_agiqa(tmp_path, size=32)
    training = dataset(root)
    check_together({"train": training, "val": dataset(root, phase="val")})
    with pytest.raises(DataError, match="10 problems: 10 of the 14 contents of datasets:val are in datasets:train"):
        check_together({"train": training, "val": dataset(root, phase="val", split="all")})


def test_the_quality_head_can_learn_authenticity(tmp_path):
    scores = write_aigciqa(tmp_path, pixels=make_image(0, 32))
    found = dataset(tmp_path, "aigciqa2023", split="all", quality="authenticity")
    assert [float(found[i]["quality"]) for i in range(40)] == pytest.approx(scores[1] / 100)
