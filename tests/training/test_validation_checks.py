"""Names and images of validation sets are checked before a run begins, and by `iqa-sr check-data`."""

import os
from pathlib import Path

import cv2
import pytest

from iqa_sr import plugin
from iqa_sr.cli.main import main as cli
from iqa_sr.cli.train import main
from iqa_sr.data.problems import DataError
from iqa_sr.datasets.validation_images import ImageSizes, image_sizes
from iqa_sr.errors import OptionError
from iqa_sr.models.metric_options import read_metric
from iqa_sr.training.run_config import RunConfig
from iqa_sr.training.validation_checks import check_images, size_problems, validation_notes
from tests.helpers.sr_datasets import make_image, save, training_options, write_groups, write_options


def metric(name, **changes):
    return {"type": "calculate_iqa", "metric": name, **changes}


def more(name):
    return {"name": name, "type": "MultiGTDataset", "dataroot_gt": "data"}


@pytest.fixture(autouse=True)
def _registered():
    plugin.register()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"datasets__val_2": more("val")}, "datasets:val_2:name: expected a name that no other validation set has"),
        ({"datasets__val_2": more("VAL")}, "got 'VAL'; datasets:val:name is 'val', which may be the same path"),
        ({"datasets__val_2": more("val.")}, "got 'val.' (Windows drops a dot or a space at the end of a name)"),
        (
            {"datasets__val__name": "\xe4", "datasets__val_2": more("a\u0308")},
            r"got 'a\u0308'; datasets:val:name is '\xe4', which may be the same path",
        ),
        *[
            ({"datasets__val_2": more(name)}, r"datasets:val_2:name: expected a text that can be the name of a folder")
            for name in ("../other", "..", "/tmp/x", "a/b", "a\\b", ".hidden", "", " val", "a\nb")
        ],
        (
            {"val__metrics": {"a/b": metric("psnr")}},
            "val:metrics:a/b: expected a text that can be the name of a folder",
        ),
        ({"val__metrics": {"P": metric("psnr"), "p": metric("psnr")}}, "no other best checkpoint has, got 'best_p'"),
        (
            {"datasets__val_2": more("b"), "val__metrics": {"b_psnr": metric("psnr"), "psnr": metric("psnr")}},
            "datasets:val_2:name with val:metrics:psnr: expected a name that no other best checkpoint has",
        ),
    ],
)
def test_names_that_would_lead_to_one_place_are_refused(changes, told):
    with pytest.raises(OptionError) as caught:
        RunConfig.from_options(training_options(**changes))
    assert told in str(caught.value)


def test_the_training_set_may_have_the_name_of_a_validation_set():
    RunConfig.from_options(training_options(datasets__train__name="val", datasets__val_2=more("val2")))


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        (training_options(), []),
        (training_options(val=None), ["datasets:val: there is no section val, so there is no validation."]),
        (training_options(datasets__val=None), ["val: there is no section datasets:val, so there is no validation."]),
    ],
)
def test_a_section_without_its_partner_is_named(options, notes):
    assert validation_notes(RunConfig.from_options(options).basicsr_opt()) == notes


def test_images_that_a_metric_is_not_defined_on_are_found_before_anything_is_written(run_folder, capsys):
    save("val/a.png", make_image(1, 190, 300))
    save("val/b.png", make_image(1, 200))
    changes = {"datasets__val__dataroot_gt": "val", "val__metrics": {"n": metric("niqe", crop_border=4)}}
    options = write_options("options.yml", training_options(**changes))
    assert main(["-opt", options]) == 1
    told = (
        "the result of a is 190x300 px (HxW), val:metrics:n (niqe) needs 192x192 when 4 px are cut from each side; "
        "1 of 2 images are too small"
    )
    assert told in capsys.readouterr().err and not list(Path().glob("experiments/*"))
    assert cli(["check-data", "-opt", options]) == 1
    assert told in capsys.readouterr().out
    changes["val__metrics"]["n"]["crop_border"] = 0
    save("val/a.png", make_image(1, 192, 300))
    assert cli(["check-data", "-opt", write_options("options.yml", training_options(**changes, scale=2.0))]) == 0
    for wrong in ({"scale": True}, {"scale": 0}, {"datasets": [1]}):
        assert cli(["check-data", "-opt", write_options("options.yml", {**training_options(), **wrong})]) == 1
        assert "expected" in (said := capsys.readouterr().err) or "no data set" in said


def test_a_ground_truth_that_is_too_small_is_found():
    sizes = [ImageSizes("a", (20, 20), (40, 41)), ImageSizes("b", (20, 20), (40, 38)), ImageSizes("c", (0, 0), (1, 1))]
    blind = {"n": read_metric({"type": "calculate_niqe", "crop_border": 0}, "val:metrics:n")}
    assert not size_problems(sizes, blind, 2), "nothing is compared with it"
    found = size_problems(sizes, {"p": read_metric(metric("psnr"), "val:metrics:p")}, 2)
    assert [problem.text for problem in found] == [
        "b: the ground truth is 40x38 px (HxW), expected at least 40x40: 2 times the LQ",
        "the result of c is 0x0 px (HxW), val:metrics:p (psnr) needs 1x1; 1 of 3 images are too small",
    ]


def basicsr_set(kind="PairedImageDataset", **changes):
    from iqa_sr.basicsr_compat import build_dataset

    section = {
        "name": "v",
        "type": kind,
        "phase": "val",
        "scale": 2,
        "dataroot_lq": "lr",
        "io_backend": {"type": "disk"},
    }
    return build_dataset(section | ({"dataroot_gt": "hr"} if kind == "PairedImageDataset" else {}) | changes)


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, height in (("a", 40), ("sub/a", 60)):
        save(f"hr/{name}.png", make_image(1, height, 41))
        save(f"lr/{name}.png", make_image(1, height // 2, 20))


def test_sizes_of_pairs(pairs):
    assert image_sizes(basicsr_set(), 2) == [ImageSizes("a", (20, 20), (40, 41))]
    Path("meta.txt").write_text("a.png (40,41,3)\nsub/a.png (60,41,3)\n")
    with pytest.raises(DataError, match="2 images are called a: their results"):  # BasicSR drops an LQ's sub-folder
        check_images({"val": basicsr_set(meta_info_file="meta.txt")}, {}, 2, Path("results"))


def test_sizes_of_single_images(pairs):
    assert image_sizes(basicsr_set("SingleImageDataset"), 2) == [ImageSizes("a", (20, 20), None)]
    Path("meta.txt").write_text("a.png (40,41,3)\nsub/a.png (60,41,3)\n")
    listed = basicsr_set("SingleImageDataset", meta_info_file="meta.txt")
    assert image_sizes(listed, 2) == [ImageSizes("a", (20, 20), None), ImageSizes("sub/a", (30, 20), None)]
    assert sorted(set(check_images({"val": listed}, {}, 2, Path("results")))) == [20, 30]
    with pytest.raises(DataError, match="2 images are called a: their results would replace each other"):
        check_images({"val": listed}, {}, 2, Path("results"), flat=True)
    Path("lr/sub/a.png").unlink()
    with pytest.raises(DataError, match=r"datasets:val: image lr/sub/a.png does not exist"):
        check_images({"val": listed}, {}, 2, Path("results"))
    Path("lr/sub/a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"datasets:val: lr/sub/a.png, or its ground truth, cannot be read"):
        check_images({"val": listed}, {}, 2, Path("results"))
    assert cv2.imwrite("a.ppm", make_image(1, 30, 20))  # which our own reader may not take
    os.rename("a.ppm", "lr/sub/a.png")
    assert image_sizes(listed, 2)[1].lq == (30, 20)


@pytest.mark.basicsr
def test_sizes_of_an_lmdb_are_those_of_its_list(pairs):
    """The database itself stays closed: BasicSR opens it, and it cannot be opened twice."""
    from basicsr.utils.lmdb_util import make_lmdb_from_imgs

    for name in ("hr", "lr"):
        make_lmdb_from_imgs(name, f"{name}.lmdb", ["a.png"], ["a"], map_size=2**20)
    dataset = basicsr_set(dataroot_gt="hr.lmdb", dataroot_lq="lr.lmdb", io_backend={"type": "lmdb"})
    assert image_sizes(dataset, 2) == [ImageSizes("a", (20, 20), (40, 41))]
    assert dataset[0]["gt"].shape == (3, 40, 40)


def test_groups_have_the_size_that_their_results_are_cut_to(tmp_path, monkeypatch):
    from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset

    monkeypatch.chdir(tmp_path)
    write_groups("data", count=1, size=65)
    assert image_sizes(MultiGTDataset({**more("val"), "phase": "val", "scale": 2}), 2) == [
        ImageSizes("p0", (32, 32), (65, 65))
    ]
