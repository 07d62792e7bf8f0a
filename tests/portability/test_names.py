"""Names that Windows refuses, and names that its disks and those of macOS take for one."""

import os
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest

from iqa_sr.data.creation import enhanced_gts
from iqa_sr.data.creation.enhanced_gts import make_gts
from iqa_sr.data.file_lookup import FileFinder
from iqa_sr.data.problems import DataError
from iqa_sr.datasets.multi_gt_dataset import MultiGTDataset
from iqa_sr.errors import OptionError
from iqa_sr.evaluation.inputs import LabeledCheckpoint, check_labels, datasets_from_args
from iqa_sr.evaluation.run import prepare_folder
from iqa_sr.inference import jobs
from iqa_sr.inference.jobs import find_jobs
from iqa_sr.io import file_names
from iqa_sr.io.file_names import folded, folds_case, unfit_names, windows_problem
from iqa_sr.scores.reference_names import match_references
from iqa_sr.scores.result_folder import is_folder_name, read_run, write_run
from iqa_sr.training.run_config import RunConfig
from iqa_sr.training.validation_checks import check_images
from tests.helpers.result_folders import FACTS, run_facts
from tests.helpers.sr_datasets import make_image, save, training_options

REFUSED = ["a:b", "pyiqa:brisque", "a*", "what?", 'a"b', "a<b", "a>b", "a|b", "a.", "a ", "a. ", "x\x1f"]
DEVICES = ["CON", "nul", "Prn", "aux", "COM1", "lpt9", "COM\xb2", "CONIN$", "nul.txt", "con .pth", "NUL.tar.gz"]
FINE = [
    "a",
    "a b",
    "x4_final",
    "größe ½",
    "a.b",
    "console",
    "com",
    "COM10",
    "nullary",
    "aux_1",
    "a'b;c,d=e&f%(1)[2]{3}",
]
COMPOSED, APART = "caf\xe9", "cafe\u0301"


@pytest.fixture
def without_case(monkeypatch):
    """Disks that know no case, as far as our code asks."""
    for module in (file_names, jobs, enhanced_gts):
        monkeypatch.setattr(module, "folds_case", lambda folder: True)


# --- Windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*REFUSED, *DEVICES])
def test_names_that_windows_refuses_are_those_of_no_folder(name):
    assert windows_problem(name) and not is_folder_name(name)


@pytest.mark.parametrize("name", FINE)
def test_other_names_are_taken(name):
    assert windows_problem(name) == "" and is_folder_name(name)
    assert not PureWindowsPath(name).is_reserved()


@pytest.mark.parametrize("name", [name for name in DEVICES if "$" not in name])
def test_pythons_own_list_has_these_devices(name):
    assert PureWindowsPath(name).is_reserved()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "a:b"}, "name: expected a folder name: .* (Windows takes no ':' in a name), got 'a:b'"),
        ({"name": "aux"}, "(on Windows aux is a device), got 'aux'"),
        ({"datasets__val__name": "Set5?"}, "datasets:val:name: expected a text that can be the name of a folder, got"),
        (
            {"val__metrics": {"pyiqa:brisque": {"type": "calculate_iqa", "metric": "psnr"}}},
            "val:metrics:pyiqa:brisque: expected a text that can be the name of a folder, got 'pyiqa:brisque' (Windows",
        ),
    ],
)
def test_a_run_that_would_write_them_does_not_begin(changes, told):
    with pytest.raises(OptionError) as caught:
        RunConfig.from_options(training_options(**changes))
    assert all(part in str(caught.value) for part in told.split(".*"))


@pytest.mark.parametrize("label", ["net:500", "CON", "x4."])
def test_an_evaluation_refuses_labels_and_tells_why(label):
    with pytest.raises(ValueError, match=r"expected a label .* \((on )?Windows .*\); give another: LABEL=FILE"):
        check_labels([checkpoint(label)])


@pytest.mark.parametrize("name", ["COM3", "a|b"])
def test_an_evaluation_refuses_names_of_data_sets_and_tells_why(name):
    with pytest.raises(ValueError, match=r"`data` .*: expected a name that can be a folder's, got .*Windows"):
        datasets_from_args([f"{name}=HR"], [], None)


def test_facts_with_such_names_are_neither_written_nor_read(tmp_path):
    for facts in (run_facts(["a:b"]), run_facts(["a"], datasets=["nul"])):
        with pytest.raises(ValueError, match=r"expected a name that can be a folder's, got .*Windows"):
            write_run(tmp_path, facts)
    with pytest.raises(ValueError, match="'Bicubic' stands for the LQ image, enlarged"):
        write_run(tmp_path, run_facts(["Bicubic"]))
    assert not list(tmp_path.iterdir())
    file = write_run(tmp_path, run_facts(["label"]))
    file.write_text(file.read_text(encoding="utf-8").replace('"label"', '"a:b"'), encoding="utf-8")
    with pytest.raises(ValueError, match="expected a name that can be a folder's, got 'a:b'"):
        read_run(tmp_path)


def test_a_suffix_is_a_part_of_a_name_on_every_system(tmp_path):
    image = save(tmp_path / "a.png", make_image(1, 16))
    for suffix in (":x4", "?", "*"):
        with pytest.raises(ValueError, match="`suffix`: expected a part of a file's name"):
            find_jobs([str(image)], tmp_path / "out", suffix)
    assert find_jobs([str(image)], tmp_path / "out", "_x4. ")[0].target == tmp_path / "out" / "a_x4. .png"


def test_names_of_images_are_looked_at_on_windows_alone(tmp_path, monkeypatch):
    """An LMDB has any key; elsewhere a time of the day is a good name."""
    names = ["12:30", "fine", "deep/nul", "x/a. "]
    assert unfit_names(tmp_path, names) == []
    monkeypatch.setattr(file_names, "ON_WINDOWS", True)
    told = unfit_names(tmp_path, names)
    assert [line.partition(":")[0] for line in told] == ["'12", "'deep/nul'", "'x/a. '"]
    assert "Windows takes no ':'" in told[0] and "nul is a device" in told[1]
    with pytest.raises(ValueError, match=r"data set set: '12:30': Windows .*, and 2 more; nothing was written"):
        prepare_folder(tmp_path / "results", run_facts(["a"]), FACTS, keys={"set": names})
    assert not list(tmp_path.iterdir())


# --- No case ----------------------------------------------------------------------------------------------------------


def checkpoint(label):
    return LabeledCheckpoint(label, Path(f"{label}.pth"), "0" * 64)


def test_folded_names():
    assert folded("IMG_1.PNG") == folded("img_1.png") != folded("img_2.png")
    assert folded(COMPOSED) == folded(APART) == folded(APART.upper()) != folded("cafe")
    assert unicodedata.is_normalized("NFC", folded(APART))


def test_whether_a_disk_knows_case_is_looked_up_on_it(tmp_path, monkeypatch):
    assert not folds_case(tmp_path / "not" / "there")
    real = os.path.lexists

    def without(path):
        there = os.listdir(os.path.dirname(path))
        return os.path.basename(path).lower() in map(str.lower, there) or real(path)

    monkeypatch.setattr(os.path, "lexists", without)
    assert folds_case(tmp_path / "not" / "there")
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_case_is_known(monkeypatch):
    monkeypatch.setattr(file_names.tempfile, "NamedTemporaryFile", lambda **_: (_ for _ in ()).throw(OSError("full")))
    assert not folds_case(Path.cwd())


@pytest.mark.parametrize(("one", "other"), [("X4", "x4"), (COMPOSED, APART)])
def test_labels_that_may_be_one_folder_are_refused_everywhere(one, other):
    check_labels([checkpoint(one), checkpoint("else")])
    with pytest.raises(ValueError, match=r"labels .* and .*, which may be one folder: .*\nGive one another: LABEL="):
        check_labels([checkpoint(one), checkpoint(other)])
    with pytest.raises(ValueError, match="the label 'Bicubic' stands for something else"):
        check_labels([checkpoint("Bicubic")])


def test_data_sets_that_may_be_one_folder_are_refused_everywhere():
    with pytest.raises(ValueError, match=r"two data sets have the names 'Set5' and 'set5', which may be one folder"):
        datasets_from_args(["Set5=a", "set5=b"], [], None)
    assert len(datasets_from_args(["Set5=a", "Set14=b"], [], None)) == 2


@pytest.mark.parametrize(
    ("labels", "datasets", "told"),
    [
        (["A"], ["set"], "the checkpoint 'A' differs from 'a' by case or accents alone"),
        (["a"], ["Set"], "the data set 'Set' differs from 'set' by case or accents alone"),
    ],
)
def test_what_is_added_to_a_result_folder_is_told_apart(tmp_path, labels, datasets, told):
    prepare_folder(tmp_path / "r", run_facts(["a"]), FACTS)
    before = (tmp_path / "r" / "run.json").read_bytes()
    with pytest.raises(FileExistsError, match=told):
        prepare_folder(tmp_path / "r", run_facts(labels, datasets), FACTS)
    assert (tmp_path / "r" / "run.json").read_bytes() == before
    prepare_folder(tmp_path / "r", run_facts(["a", "b"], ["set", "other"]), FACTS)


def test_results_that_would_be_one_file_stop_an_evaluation_before_anything_is_written(tmp_path, without_case):
    keys = {"set": ["p0", "deep/a", "Deep/A"]}
    with pytest.raises(ValueError, match=r"data set set: 'deep/a' and 'Deep/A' would be one file.*nothing was written"):
        prepare_folder(tmp_path / "r", run_facts(["a"]), FACTS, keys=keys)
    assert not list(tmp_path.iterdir())
    prepare_folder(tmp_path / "r", run_facts(["a"]), FACTS, keys={"set": ["p0", "deep/a"]})


def test_case_is_a_difference_where_the_disk_knows_it(tmp_path):
    prepare_folder(tmp_path / "r", run_facts(["a"]), FACTS, keys={"set": ["a", "A"]})


def test_results_of_the_validation_are_told_apart_before_a_run(tmp_path, without_case):
    for name in ("a", "A"):
        save(tmp_path / "data" / f"{name}.png", make_image(1, 32))
    section = {"name": "v", "type": "MultiGTDataset", "phase": "val", "scale": 2, "dataroot_gt": str(tmp_path / "data")}
    with pytest.raises(DataError, match="'A' and 'a' would be one file"):
        check_images({"val": MultiGTDataset(section)}, {}, 2, tmp_path / "visualization")


def test_upscaling_replaces_no_image_whose_name_differs_by_case(tmp_path, without_case):
    """On such a disk `photo.png` is `photo.PNG`: the user's own image."""
    save(tmp_path / "photo.PNG", make_image(1, 16))
    with pytest.raises(ValueError, match=r"would replace the image .*photo\.PNG; nothing was written"):
        find_jobs([str(tmp_path / "photo.PNG")], tmp_path)


def test_upscaling_writes_no_two_results_into_one_file(tmp_path, without_case):
    for name in ("in/a.png", "in/A.jpg"):
        save(tmp_path / name, make_image(1, 16))
    with pytest.raises(ValueError, match=r"in/A\.jpg and .*in/a\.png would both be written to"):
        find_jobs([str(tmp_path / "in")], tmp_path / "out")


def test_upscaling_tells_names_apart_where_the_disk_does(tmp_path):
    for name in ("in/a.png", "in/A.jpg"):
        save(tmp_path / name, make_image(1, 16))
    assert len(find_jobs([str(tmp_path / "in")], tmp_path / "out")) == 2


def test_ground_truths_of_two_images_are_not_written_into_one_file(tmp_path, without_case):
    for name in ("a.png", "A.png"):
        save(tmp_path / "in" / name, make_image(1, 32))
    made = make_gts(tmp_path / "in", tmp_path / "out", ["unsharp"], progress=False)
    assert [reason for _, reason in made.failed] == ["same name as A.png"]
    assert sorted(path.name for path in (tmp_path / "out" / "original").iterdir()) == ["A.png"]


# --- Accents ----------------------------------------------------------------------------------------------------------


def test_references_from_a_mac_are_found():
    assert match_references([f"x/{COMPOSED}.png"], [f"x/{APART}.png"]).found == {f"x/{COMPOSED}.png": f"x/{APART}.png"}
    both = [f"{APART}.png", f"{COMPOSED}.png"]
    assert match_references(both, both).found == {name: name for name in both}


def test_images_of_a_table_are_found_however_it_spells_them(tmp_path):
    for name in (f"{APART}.png", "sub/B.png"):
        save(tmp_path / name, make_image(1, 8))
    finder = FileFinder()
    assert finder.find(tmp_path / f"{COMPOSED}.PNG") == tmp_path / f"{APART}.png"
    assert finder.find(tmp_path / "sub\\b.png") == tmp_path / "sub" / "B.png"
    assert finder.find(tmp_path / "sub\\c.png") is None
