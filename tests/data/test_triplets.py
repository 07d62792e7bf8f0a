"""Lists of triplets: made from published layouts, read, checked, and given out as samples."""

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from iqa_sr.cli.main import main
from iqa_sr.data.leakage import check_together
from iqa_sr.data.preferences.triplet_creation import make_triplets
from iqa_sr.data.preferences.triplets import Triplet, read_triplets, write_triplets
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.datasets.triplet_dataset import TripletDataset
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from tests.helpers.sr_datasets import make_image, save
from tests.helpers.triplet_datasets import write_diffiqa, write_kadid, write_pipal, write_tid2013


def lists(folder):
    problems = DataProblems()
    found = {name: read_triplets(Path(folder) / f"{name}.txt", problems) for name in ("train", "val", "test")}
    assert not len(problems), problems.report()
    return found


def contents(triplets):
    return {triplet.reference for triplet in triplets}


# --- DiffIQA ----------------------------------------------------------------------------------------------------------


def test_diffiqa_by_majority_with_the_published_pairs(tmp_path, capsys):
    """Per reference two Positive, two Similar, one Negative, and one on which nobody agrees."""
    root = write_diffiqa(tmp_path / "DiffIQA", count=4)
    command = ["make-triplets", "--layout", "diffiqa", "--input", str(root), "--output", str(tmp_path / "lists")]
    assert main(command) == 0
    made = lists(tmp_path / "lists")
    expected = {"PSY": 4, "PNY": 2, "SNY": 2, "SSY": 1, "PYY": 2, "SYY": 2, "NYY": 1}
    assert Counter(t.kind for t in made["train"]) == {kind: 2 * count for kind, count in expected.items()}
    tested = {kind: expected[kind] for kind in ("PSY", "PNY", "PYY", "SNY", "NYY")}
    assert Counter(t.kind for t in made["val"]) == Counter(t.kind for t in made["test"]) == tested
    assert len(contents(made["train"]) | contents(made["val"]) | contents(made["test"])) == 4
    number = made["val"][0].reference.removeprefix("images/Original/p").removesuffix(".png")
    path = f"images/{{}}/p{number}_{{}}.png"
    p1, s3, n5 = (path.format(version, version) for version in ("01", "03", "05"))
    reference = f"images/Original/p{number}.png"
    assert Triplet(p1, s3, reference, (1, 1, 0.5)) in made["val"]
    assert Triplet(p1, n5, reference, (1, 1, 0)) in made["val"]
    assert Triplet(s3, n5, reference, (1, 0.5, 0)) in made["val"]
    assert Triplet(n5, reference, reference, (0, 0, 0.5)) in made["val"]
    assert Triplet(p1, reference, reference, (1, 1, 0.5)) in made["val"]
    assert not any("_06" in name for t in made["train"] for name in t.images)
    shown = capsys.readouterr().out
    assert "train.txt: 28 triplets of 2 references (8 PSY" in shown and "4 images of" in shown
    assert "images/" in (tmp_path / "lists/train.txt").read_text().splitlines()[0]
    before = (tmp_path / "lists/train.txt").read_bytes()
    assert main(command) == 1
    assert "has train.txt already; nothing was written" in capsys.readouterr().err
    assert (tmp_path / "lists/train.txt").read_bytes() == before


def test_diffiqa_keeps_its_published_split(tmp_path):
    for part, first, count in (("Train", 0, 2), ("Val", 10, 1), ("Test", 20, 1)):
        write_diffiqa(tmp_path / "DiffIQA" / part, count=count, first_seed=first)
    made = make_triplets("diffiqa", tmp_path / "DiffIQA", tmp_path / "lists").lists
    assert contents(made["train"]) == {f"Train/images/Original/p{number}.png" for number in (0, 1)}
    assert contents(made["val"]) == {"Val/images/Original/p10.png"}
    assert contents(made["test"]) == {"Test/images/Original/p20.png"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "images/Original/p1.png").unlink(), "6 missing reference"),
        (lambda root: (root / "images/01/p1_01.png").unlink(), r"1 missing image\n.*p1_01\.png is not there"),
        (lambda root: (root / "labels/B/02/p0_02.json").write_text("{}"), "1 unreadable label\n.*expected Image_AI"),
        (lambda root: (root / "labels/B/02/p0_02.json").write_text('{"Image_AI": {"Label": "Good"}}'), "unreadable"),
    ],
)
def test_incomplete_diffiqa_is_refused(tmp_path, damage, message):
    root = write_diffiqa(tmp_path / "DiffIQA")
    damage(root)
    with pytest.raises(DataError, match=message) as error:
        make_triplets("diffiqa", root, tmp_path / "lists")
    assert len(str(error.value).splitlines()) <= 5
    assert not (tmp_path / "lists").exists()


# --- Sets with scores -------------------------------------------------------------------------------------------------

SCORED = {"kadid": (write_kadid, 10, 11), "tid2013": (write_tid2013, 5, 5), "pipal": (write_pipal, 5, 5)}


@pytest.mark.parametrize("layout", SCORED)
def test_sets_with_scores_get_partners_and_the_reference_wins(tmp_path, layout):
    write, references, group = SCORED[layout]
    root = write(tmp_path / layout, references=references)
    made = make_triplets(layout, root, tmp_path / "lists").lists
    assert lists(tmp_path / "lists") == made
    counts = [len(contents(made[name])) for name in ("train", "val", "test")]
    assert sum(counts) == references and counts == {10: [7, 1, 2], 5: [3, 1, 1]}[references]
    partners = round(math.log2(group))
    everything = [triplet for triplets in made.values() for triplet in triplets]
    assert len(everything) == references * group * partners
    by_first = Counter((t.first, t.reference) for t in everything)
    assert set(by_first.values()) == {partners} and len(by_first) == references * group
    for triplet in everything:
        assert all((root / name).is_file() for name in triplet.images)
        for path, target in zip(triplet.images[:2], triplet.targets[1:], strict=True):
            assert target == (0.5 if path == triplet.reference else 0)
        if triplet.reference not in triplet.images[:2]:  # the fixtures' levels end the names: less is better
            levels = [Path(name).stem.rsplit("_", 1)[1] for name in triplet.images[:2]]
            assert levels[0] == levels[1] or triplet.targets[0] == float(levels[0] < levels[1])


def test_lists_depend_on_the_seed_alone(tmp_path):
    root = write_kadid(tmp_path / "kadid", references=10)
    texts = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_triplets("kadid", root, tmp_path / name, seed)
        texts.append([(tmp_path / name / f"{part}.txt").read_bytes() for part in ("train", "val", "test")])
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("layout", "damage", "message"),
    [
        ("kadid", lambda root: (root / "images/I02_01_03.png").unlink(), "1 missing images"),
        ("kadid", lambda root: (root / "images/I02.png").unlink(), "missing reference.*\n.*no image I02"),
        ("tid2013", lambda root: (root / "reference_images/I02.BMP").unlink(), "missing reference"),
        ("pipal", lambda root: (root / "Distortion_1/A0002_00_02.bmp").unlink(), "missing image\n.*A0002_00_02.bmp"),
        ("pipal", lambda root: (root / "Train_Label/A0002.txt").write_text("A0002_00_00.bmp,much"), "is not a number"),
    ],
)
def test_incomplete_sets_with_scores_are_refused(tmp_path, layout, damage, message):
    root = SCORED[layout][0](tmp_path / layout, references=3)
    damage(root)
    with pytest.raises(DataError, match=message):
        make_triplets(layout, root, tmp_path / "lists")


def test_wrong_places_and_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no layout 'kadid10' of triplets; did you mean kadid"):
        make_triplets("kadid10", tmp_path, tmp_path / "lists")
    with pytest.raises(FileNotFoundError, match="`source`: folder .*nothing does not exist"):
        make_triplets("kadid", tmp_path / "nothing", tmp_path / "lists")
    for layout, message in (("diffiqa", "DiffIQA's layout"), ("pipal", "PIPAL's layout"), ("kadid", "has no dmos.csv")):
        with pytest.raises(FileNotFoundError, match=message):
            make_triplets(layout, tmp_path, tmp_path / "lists")
    with pytest.raises(ValueError, match="cannot be split"):
        make_triplets("kadid", write_kadid(tmp_path / "two", references=2), tmp_path / "lists")


# --- The data set -----------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Three references of 64x96 px with two changed images each; `write(*lines)` writes train.txt."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        for name in "abr":
            save(f"images/{name}{number}.png", make_image(10 * number + ord(name), 64, 96))
    Path("lists").mkdir()

    def write(*lines, name="train"):
        Path(f"lists/{name}.txt").write_text("\n".join(lines) + "\n")

    write(*(f"a{number}.png,b{number}.png,r{number}.png,1,1,0.5" for number in range(3)))
    return write


def dataset(**changes):
    source = {"triplets": "lists/train.txt", "dataroot": "images"}
    return TripletDataset({"type": "TripletDataset", "phase": "train", "sources": [source], **changes})


def test_whole_images_come_as_they_are_in_validation(data):
    sample = dataset(phase="val")[1]
    expected = [to_tensor(read_image(f"images/{name}1.png")) for name in "abr"]
    assert torch.equal(sample["image"], torch.stack(expected)) and sample["image"].dtype == torch.float32
    assert sample["target"].tolist() == [1, 1, 0.5]
    assert (sample["kind"], sample["source"], sample["path"]) == ("PSY", "lists", "images/a1.png")
    middle = dataset(phase="val", crop=32)[1]["image"]
    assert torch.equal(middle, torch.stack(expected)[:, :, 16:48, 32:64])


def test_training_cuts_flips_and_turns_all_three_alike(data):
    data("a0.png,r0.png,r0.png,1,1,0.5")
    samples = dataset(crop=64)
    whole = to_tensor(read_image("images/r0.png"))
    views = {}
    for left in range(33):
        window = whole[:, :, left : left + 64]
        for flip in (False, True):
            for turns in range(4):
                view = torch.rot90(window.flip(2) if flip else window, turns, (1, 2))
                views[view.contiguous().numpy().tobytes()] = (left, flip, turns)
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        image = samples[0]["image"]
        assert torch.equal(image[1], image[2])
        found = views[image[2].numpy().tobytes()]
        seen.add(found)
        torch.manual_seed(seed)
        assert torch.equal(samples[0]["image"], image)
    assert len({left for left, _, _ in seen}) > 10
    assert {(flip, turns) for _, flip, turns in seen} == {(flip, turns) for flip in (False, True) for turns in range(4)}
    plain = dataset(crop=64, use_hflip=False, use_rot=False)
    assert all(views[plain[0]["image"][2].numpy().tobytes()][1:] == (False, 0) for _ in range(20))


def test_images_of_several_sizes_are_one_batch_by_their_crops(data):
    for name in "abr":
        save(f"images/{name}2.png", make_image(ord(name), 96, 64))
    batch = next(iter(DataLoader(dataset(crop=64, batch_size_per_gpu=3), batch_size=3)))
    assert batch["image"].shape == (3, 3, 3, 64, 64) and batch["target"].shape == (3, 3)
    with pytest.raises(ValueError, match=r"train:crop: the images have 2 sizes \(64x96, 96x64\).*set crop to 64"):
        dataset(batch_size_per_gpu=3)
    assert len(dataset(batch_size_per_gpu=1)) == len(dataset(phase="val")) == 3


def test_turned_images_that_are_not_square_are_no_batch_without_a_crop(data):
    with pytest.raises(ValueError, match="the size 64x96, which use_rot turns, and cannot be in one batch of 2"):
        dataset(batch_size_per_gpu=2)
    assert len(dataset(batch_size_per_gpu=2, use_rot=False)) == 3


def test_several_lists_are_joined(data):
    Path("more").mkdir()
    write_triplets(Path("more/list.txt"), [Triplet("a1.png", "r1.png", "r1.png", (0.0, 0.0, 0.5))])
    sources = [
        {"triplets": "lists/train.txt", "dataroot": "images"},
        {"triplets": "more/list.txt", "dataroot": "images", "name": "other"},
    ]
    joined = dataset(sources=sources, phase="val")
    assert [joined[i]["source"] for i in range(4)] == ["lists"] * 3 + ["other"] and joined[3]["kind"] == "NYY"
    with pytest.raises(ValueError, match="two lists have the same name 'lists'; set name"):
        dataset(sources=[sources[0], sources[0]])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a0.png,b0.png,r0.png,1,1"], "1 unusable line\n.*line 1: expected x1,x2,ref,g12,g1ref,g2ref"),
        (["a0.png,b0.png,r0.png,1,2,0"], "expected preferences of 0, 0.5 or 1, got 1, 2, 0"),
        (["a0.png,b0.png,r0.png,nan,1,0"], "expected preferences of 0, 0.5 or 1"),
        (["a0.png,a0.png,r0.png,1,1,0"], "compares a0.png with itself"),
        (["a0.png,r0.png,r0.png,1,1,1"], "the second image is the reference, so its preference is 0.5, got 1"),
        (["a0.png,r0.png,r0.png,1,0,0.5"], "contradicts itself"),
        (["a0.png,b0.png,r0.png,1,1,0"] * 2, "1 double line\n.*line 2"),
        (["a0.png,b0.png,r0.png,0.5,0.5,0.5"], "1 single rating level"),
        (["a0.png,b0.png,r0.png,0.5,0,0", "a1.png,b1.png,r1.png,0.5,1,1"], "1 single rating level"),
        (["a7.png,b8.png,r0.png,1,1,0"], "2 missing images\n.*a7.png does not exist"),
        ([""], "1 empty list"),
    ],
)
def test_bad_lists_are_refused_with_counts(data, lines, message):
    data(*lines)
    with pytest.raises(DataError, match=message) as error:
        dataset(crop=32)
    assert len(str(error.value).splitlines()) <= 5


def test_images_that_cannot_be_cut_are_refused(data):
    with pytest.raises(DataError, match=r"9 smaller than the crop\n.* is 64x96 \(HxW\), smaller than the crop of 96"):
        dataset(crop=96)
    save("images/b1.png", make_image(3, 64, 65))
    save("images/a2.png", make_image(3, 64, 128))
    with pytest.raises(DataError, match="1 unsuitable size") as error:
        dataset()
    assert "2 sizes that differ" in str(error.value) and "not a multiple of 32; set crop to one" in str(error.value)
    Path("images/a0.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="1 unusable images"):
        dataset(crop=32)


def test_a_reference_in_two_splits_is_refused(data):
    data("a1.png,b1.png,r1.png,1,1,0", name="val")
    with pytest.raises(DataError, match=r"1 reference in two splits\n.*r1.png is in train.txt and in val.txt of lists"):
        dataset(crop=32)


def test_references_of_training_in_validation_are_refused(data):
    """The lists lie in different folders, and the folder of the images has two names."""
    Path("more").mkdir()
    Path("linked").symlink_to("images")
    write_triplets(Path("more/list.txt"), [Triplet("b1.png", "r1.png", "r1.png", (0.0, 0.0, 0.5))])
    source = {"triplets": "more/list.txt", "dataroot": "linked"}
    own, other = dataset(crop=32), dataset(sources=[source], phase="val")
    with pytest.raises(DataError, match=r"1 of the 1 contents of datasets:val are in datasets:train\n .*images/r1.png"):
        check_together({"train": own, "val": other})
    save("elsewhere/b1.png", make_image(1, 64)), save("elsewhere/r1.png", make_image(2, 64))
    check_together({"train": own, "val": dataset(sources=[{**source, "dataroot": "elsewhere"}], phase="val")})


def test_wrong_options_are_refused(data):
    with pytest.raises(ValueError, match="train:crop: .*multiple of 32"):
        dataset(crop=50)
    with pytest.raises(ValueError, match="train:sources: "):
        dataset(sources=[])
    with pytest.raises(FileNotFoundError, match="the list of triplets gone.txt does not exist; `iqa-sr make-triplets`"):
        dataset(sources=[{"triplets": "gone.txt", "dataroot": "images"}])
