"""The mean of several checkpoints, as safetensors."""

import pytest
import torch

from iqa_sr.checkpoint.averaging import average_checkpoints
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
