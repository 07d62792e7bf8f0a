"""The mean of several checkpoints: `iqa-sr average`."""

import pytest
import torch

from iqa_sr.checkpoint.averaging import average_checkpoints
from iqa_sr.cli.main import main
from iqa_sr.io.tensor_files import read_tensor_file


def test_the_mean_of_the_averaged_weights_of_each_file(tmp_path):
    files = []
    for number in range(3):
        weights = {"a.weight": torch.full((2, 3), float(number)), "b": torch.tensor(float(number) ** 2)}
        files.append(tmp_path / f"{number}.pth")
        torch.save({"params": {name: value + 7 for name, value in weights.items()}, "params_ema": weights}, files[-1])
    for half, kind in ((False, torch.float32), (True, torch.float16)):
        average_checkpoints(files, tmp_path / "mean.safetensors", half=half)
        mean = read_tensor_file(tmp_path / "mean.safetensors")
        assert set(mean) == {"a.weight", "b"} and all(value.dtype == kind for value in mean.values())
        assert torch.equal(mean["a.weight"].float(), torch.ones(2, 3)) and float(mean["b"]) == pytest.approx(
            5 / 3, rel=1e-3
        )
    torch.save({"params": {"a.weight": torch.zeros(2, 4), "b": torch.tensor(0.0)}}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other.pth is another network than .*0.pth: 1 weights differ, as a.weight"):
        average_checkpoints([files[0], tmp_path / "other.pth"], tmp_path / "mean.safetensors")
    with pytest.raises(ValueError, match="at least one"):
        average_checkpoints([], tmp_path / "mean.safetensors")


@pytest.fixture
def two(tmp_path, monkeypatch):
    """A working folder with `a.pth`, which has averaged weights, `b.pth` without, and a third that has diverged."""
    monkeypatch.chdir(tmp_path)
    state = {
        "weight": torch.tensor([1.0, 3.0, -torch.inf]),
        "index": torch.tensor([1, 70000]),
        "count": torch.tensor(4),
    }
    torch.save({"params": {}, "params_ema": state}, "a.pth")
    torch.save({"params": state | {"weight": state["weight"] * 3, "count": torch.tensor(7)}}, "b.pth")
    torch.save({"params": state | {"weight": torch.tensor([1.0, torch.nan, 0.0])}}, "broken.pth")


@pytest.mark.parametrize("half", [[], ["--half"]])
@pytest.mark.parametrize("output", ["mean.pth", "mean.safetensors"])
def test_the_command_says_which_weights_it_took_and_keeps_types(two, capsys, output, half):
    assert main(["average", "a.pth", "b.pth", "--output", output, *half]) == 0
    assert f"wrote {output}: the mean of a.pth (params_ema), b.pth (params)" in capsys.readouterr().out
    mean = read_tensor_file(output)
    mean = mean["params"] if output.endswith(".pth") else mean
    kind = torch.float16 if half else torch.float32
    assert (
        torch.equal(mean["weight"], torch.tensor([2.0, 6.0, -torch.inf], dtype=kind)) and mean["weight"].dtype == kind
    )
    assert torch.equal(mean["index"], torch.tensor([1, 70000])) and mean["index"].dtype == torch.int64
    assert mean["count"] == 6, "5.5, rounded"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["b.pth", "--output", "mean.onnx"],
            "--output: expected a name that ends in .pth or .safetensors, got mean.onnx",
        ),
        (["b.pth", "--output", "no/mean.pth"], "--output: the folder no does not exist"),
        (["b.pth", "--output", "b.pth"], "--output: b.pth is one of the checkpoints; choose another name"),
        (["absent.pth", "--output", "mean.pth"], "absent.pth does not exist"),
        (["broken.pth", "--output", "mean.pth"], "1 weights of the mean are not finite: weight; nothing was written"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(two, tmp_path, capsys, words, text):
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["average", "a.pth", *words]) == 1
    assert text in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
