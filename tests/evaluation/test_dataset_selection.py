"""Which data sets are meant: by the arguments of the command line, and by the option file of an experiment."""

from pathlib import Path

import pytest
import yaml

from iqa_sr.evaluation.inputs import datasets_from_args, datasets_of_experiment


def experiment(tmp_path, **datasets):
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    (folder / "run.yml").write_text(
        yaml.safe_dump({"datasets": {"train": {"type": "MultiGTDataset"}, **datasets}}, sort_keys=False)
    )
    (folder / "a_copy.yml").write_text("datasets: {}\n")
    return folder


def test_names_are_those_of_the_folders_unless_given():
    specs = datasets_from_args(["sets/Set5", "b=sets/Set14"], ["b=lq/14", "real=photos"], None)
    found = {spec.name: (spec.data, spec.lq) for spec in specs}
    assert found == {
        "Set5": (Path("sets/Set5"), None),
        "b": (Path("sets/Set14"), Path("lq/14")),
        "real": (None, Path("photos")),
    }
    assert dict(specs[0].degradation) == {"type": "bicubic"}
    (spec,) = datasets_from_args(["set=HR"], ["LR"], None)
    assert (spec.name, spec.data, spec.lq) == ("set", Path("HR"), Path("LR"))
    (spec,) = datasets_from_args(["HR"], [], "hggt-one-stage")
    assert dict(spec.degradation) == {"type": "hggt-one-stage"}
    with pytest.raises(ValueError, match=r"`data` \.hidden=HR: expected a name that can be a folder's, got '.hidden'"):
        datasets_from_args([".hidden=HR"], [], None)


def test_the_validation_sets_of_an_experiment(tmp_path):
    ours = {"name": "ours", "type": "MultiGTDataset", "dataroot_gt": "a", "labels": "b", "gt_folders": ["01"]}
    ours |= {"degradation": {"type": "hggt-one-stage"}, "phase": "val", "scale": 2}
    pairs = {
        "name": "pairs",
        "type": "PairedImageDataset",
        "dataroot_gt": "c",
        "dataroot_lq": "d",
        "filename_tmpl": "{}",
    }
    single = {"name": "single", "type": "SingleImageDataset", "dataroot_lq": "e"}
    first, second, third = datasets_of_experiment(experiment(tmp_path, val=ours, val_2=pairs, test_1=single))
    assert (first.name, first.data, first.lq, first.degradation) == (
        "ours",
        Path("a"),
        None,
        {"type": "hggt-one-stage"},
    )
    assert first.options == {"labels": "b", "gt_folders": ["01"]}
    assert (second.name, second.data, second.lq) == ("pairs", Path("c"), Path("d"))
    assert (third.name, third.data, third.lq) == ("single", None, Path("e"))


def test_experiments_without_data_sets_that_can_be_used(tmp_path):
    with pytest.raises(
        ValueError, match=r"run.yml: expected validation sets of .*, got REDSDataset; name some: `data`"
    ):
        datasets_of_experiment(experiment(tmp_path, val={"name": "v", "type": "REDSDataset"}))
    with pytest.raises(ValueError, match="got no validation set"):
        datasets_of_experiment(experiment(tmp_path))
    twice = {"name": "v", "type": "SingleImageDataset", "dataroot_lq": "e"}
    with pytest.raises(ValueError, match="two validation sets have the same name: v, v"):
        datasets_of_experiment(experiment(tmp_path, val=twice, val_2=twice))
    with pytest.raises(ValueError, match="two validation sets have names that may be one folder: v, V"):
        datasets_of_experiment(experiment(tmp_path, val=twice, val_2={**twice, "name": "V"}))
    (tmp_path / "bare").mkdir()
    with pytest.raises(FileNotFoundError, match="there is no option file that names data sets; name them: `data` DIR"):
        datasets_of_experiment(tmp_path / "bare")
