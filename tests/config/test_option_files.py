"""Reading option files: bases, overrides, strict sections, errors."""

from typing import Literal

import pytest
from pydantic import Field

from iqa_sr.config.option_files import apply_overrides, read_option_file
from iqa_sr.config.sections import Section, read_section
from iqa_sr.errors import OptionError


class Inner(Section):
    kind: Literal["one", "two"] = "one"
    weight: float = Field(1.0, gt=0)


class Outer(Section):
    name: str
    inner: Inner = Inner()


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_floats_without_a_point_are_numbers(tmp_path):
    path = write(
        tmp_path,
        "a.yml",
        "lr: 1e-4\nbig: 3e5\nnegative: -2E+3\nplain: 0.5\nname: 1e4x\nflag: yes\nfloat: !!float 1e-3\n",
    )
    read = read_option_file(path)
    assert read == {
        "lr": 1e-4,
        "big": 3e5,
        "negative": -2000.0,
        "plain": 0.5,
        "name": "1e4x",
        "flag": True,
        "float": 1e-3,
    }


def test_a_base_is_merged_key_by_key(tmp_path):
    write(tmp_path, "base.yml", "a: {x: 1, y: 2}\nlist: [1, 2]\nkept: 3\n")
    path = write(tmp_path, "top.yml", "base: base.yml\na: {y: 5}\nlist: [9]\n")
    assert read_option_file(path) == {"a": {"x": 1, "y": 5}, "list": [9], "kept": 3}


def test_a_section_of_another_type_replaces_the_one_below(tmp_path):
    write(tmp_path, "base.yml", "net: {type: SwinIR, window_size: 8}\nloss: {type: L1Loss, loss_weight: 1}\n")
    path = write(tmp_path, "top.yml", "base: base.yml\nnet: {type: RRDBNet, scale: 4}\nloss: {loss_weight: 2}\n")
    read = read_option_file(path)
    assert read == {"net": {"type": "RRDBNet", "scale": 4}, "loss": {"type": "L1Loss", "loss_weight": 2}}


def test_bases_in_a_circle_are_refused(tmp_path):
    write(tmp_path, "a.yml", "base: b.yml\n")
    path = write(tmp_path, "b.yml", "base: a.yml\n")
    with pytest.raises(OptionError, match="leads back to itself"):
        read_option_file(path)


def test_a_missing_file_names_the_nearest(tmp_path):
    write(tmp_path, "swinir_amo.yml", "a: 1\n")
    with pytest.raises(FileNotFoundError, match=r"swinir_ano\.yml does not exist; did you mean .*swinir_amo\.yml"):
        read_option_file(tmp_path / "swinir_ano.yml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", r"bad\.yml, line 2.*not valid YAML"),
        ("a: 1\na: 2\n", r"line 2, column 1: the key 'a' stands twice"),
        ("- a\n- b\n", r"expected sections with keys .*, got list"),
        ("", r"expected sections with keys .*, got NoneType"),
        ("a: !!python/object/apply:os.system [echo]\n", r"not valid YAML: could not determine a constructor"),
    ],
)
def test_bad_yaml_is_named_with_its_place(tmp_path, text, message):
    with pytest.raises(OptionError, match=message):
        read_option_file(write(tmp_path, "bad.yml", text))


def test_overrides_are_read_as_yaml():
    options = {"train": {"lr": 1.0, "deep": {"x": 1}}, "name": "a"}
    changed = apply_overrides(options, ["train:lr=1e-4", "train:deep:x=[1, 2]", "train:new=-1", "name=b=c", "val=none"])
    assert changed == {"train": {"lr": 1e-4, "deep": {"x": [1, 2]}, "new": -1}, "name": "b=c", "val": None}
    assert options == {"train": {"lr": 1.0, "deep": {"x": 1}}, "name": "a"}, "the original is left alone"


@pytest.mark.parametrize(
    ("entry", "message"),
    [("train:lr", "expected section:key=value"), ("tran:lr=1", r"there is no section tran; did you mean train\?")],
)
def test_wrong_overrides_are_refused(entry, message):
    with pytest.raises(OptionError, match=message):
        apply_overrides({"train": {"lr": 1}}, [entry])


def test_a_section_is_checked_with_path_value_and_nearest_name():
    with pytest.raises(OptionError, match=r"^top:inner:wieght: unknown key; did you mean weight\?$"):
        read_section(Outer, {"name": "a", "inner": {"wieght": 1}}, "top")
    with pytest.raises(OptionError, match=r"^top:name: this key is required and missing$"):
        read_section(Outer, {}, "top")
    with pytest.raises(OptionError, match=r"top:inner:weight: input should be greater than 0, got -1"):
        read_section(Outer, {"name": "a", "inner": {"weight": -1}}, "top")
    with pytest.raises(OptionError, match=r"top:inner:kind: input should be 'one' or 'two', got 'three'"):
        read_section(Outer, {"name": "a", "inner": {"kind": "three"}}, "top")
    with pytest.raises(OptionError, match=r"top: expected a section with keys, got 5"):
        read_section(Outer, 5, "top")


def test_all_problems_of_a_section_are_told():
    wrong = {f"wrong_{number}": number for number in range(9)}
    with pytest.raises(OptionError) as caught:
        read_section(Outer, {"name": "a", **wrong}, "top")
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"top:{key}" for key in wrong]
