"""Networks as ONNX: what is free, what is fixed, what is refused, and that it is the network."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from iqa_sr.archs.spandrel_loader import spandrel_facts, spandrel_network
from iqa_sr.export import NotExportable, onnx_network, onnx_result
from tests.helpers.checkpoints import SWINIR, built


def convolutions(scale=2):
    """A network of one convolution."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 3 * scale**2, 3, 1, 1), nn.PixelShuffle(scale)).eval().requires_grad_(False)


def of_spandrel(module):
    """A network of spandrel with weights that are as far from those at the start as trained ones, and its sizes."""
    for parameter in module.parameters():
        parameter.data.add_(0.02 * torch.randn(parameter.shape))
    network = spandrel_network(module.state_dict(), "test").requires_grad_(False)
    facts = spandrel_facts(network)
    return network, {"scale": facts.scale, "multiple_of": facts.multiple_of, "minimum": facts.minimum}


def run(found, image):
    session = onnxruntime.InferenceSession(found.content, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["output"], {"input": image.numpy()})[0])


def shapes(found):
    graph = onnx.load_model_from_string(found.content).graph
    return [
        [one.dim_param or one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("size", [(5, 9), (48, 31), (70, 64)])
def test_any_size_and_several_images(size):
    network = convolutions()
    found = onnx_network(network, scale=2)
    lq = image(3, 3, *size)
    assert torch.allclose(run(found, lq), network(lq), rtol=0, atol=1e-5)
    assert found.batch and found.size is None and found.minimum == 1 and found.difference < 1e-5
    assert shapes(found) == [["batch", 3, "height", "width"], ["batch", 3, "output_height", "output_width"]]


def test_the_padding_to_windows_is_in_the_file_and_images_that_would_mix_are_taken_singly():
    """BasicSR's SwinIR takes multiples of its window, and its exported windows are those of one image."""
    network = built({**SWINIR, "depths": [1], "num_heads": [2]}).requires_grad_(False)
    window = SWINIR["window_size"]
    found = onnx_network(network, scale=2, multiple_of=window, minimum=window)
    assert not found.batch and shapes(found)[0] == [1, 3, "height", "width"]
    lq = image(1, 3, 5 * window, 3 * window)
    assert torch.allclose(run(found, lq), network(lq), rtol=0, atol=1e-5)
    odd = image(1, 3, 2 * window + 1, window + 3)
    padded = nn.functional.pad(odd, (0, window - 3, 0, window - 1), "reflect")
    expected = network(padded)[..., : 2 * odd.shape[2], : 2 * odd.shape[3]]
    assert torch.allclose(run(found, odd), expected, rtol=0, atol=1e-5)
    assert found.minimum >= window


def test_half_precision():
    network = convolutions()
    found = onnx_network(network, scale=2, half=True)
    lq = image(1, 3, 20, 33).half()
    result = run(found, lq)
    assert result.dtype == torch.float16 and torch.allclose(result.float(), network(lq.float()), rtol=0, atol=5e-3)
    assert 1e-6 < found.difference < 5e-3


@pytest.mark.parametrize("half", [False, True])
def test_positions_of_a_learned_resampling_follow_the_size(half):
    """Traced as they stand, they would be those of one size; in float16 they would miss pixels of wide images."""
    from spandrel.architectures.PLKSR import RealPLKSR

    torch.manual_seed(0)
    network, sizes = of_spandrel(RealPLKSR(dim=16, n_blocks=1, upscaling_factor=2, kernel_size=3, dysample=True))
    found = onnx_network(network, **sizes, half=half)
    assert found.batch and found.difference < (2e-2 if half else 1e-4)
    assert (40, 1040) in found.checked


def test_pooling_to_a_part_of_the_size():
    """torch's exporter knows it for constant sizes only."""
    from spandrel.architectures.SAFMN import SAFMN

    torch.manual_seed(0)
    network, sizes = of_spandrel(SAFMN(dim=8, n_blocks=1, upscaling_factor=2))
    assert onnx_result(network, **sizes) == "yes"


def test_equal_values_are_sorted_by_position():
    class Sorted(nn.Module):
        def forward(self, x):
            groups = (x * 3).floor().flatten(1)
            order = torch.sort(groups, dim=-1, stable=False)[1]
            return x.flatten(1).gather(1, order).view(x.shape)

    found = onnx_network(Sorted().eval(), scale=1)
    lq = image(1, 3, 50, 41)
    groups = (lq * 3).floor().flatten(1)
    expected = lq.flatten(1).gather(1, torch.sort(groups, dim=-1, stable=True)[1]).view(lq.shape)
    assert torch.equal(run(found, lq), expected)


# --- What is refused --------------------------------------------------------------------------------------------------


class Built(nn.Module):
    """The number of pixels is a Python number, which tracing builds in."""

    def forward(self, x):
        return x / float(x.shape[-1])


class Unknown(nn.Module):
    """The Fourier transform has no ONNX operator."""

    def forward(self, x):
        return torch.fft.fft2(x).real


def test_a_size_that_is_built_in_is_refused_and_can_be_fixed():
    network = Built().eval()
    with pytest.raises(NotExportable, match=r"^the result differs by 0\.\d+ at 40x56 px \(traced at an"):
        onnx_network(network, scale=1)
    found = onnx_network(network, scale=1, size=(24, 40))
    assert shapes(found) == [[1, 3, 24, 40]] * 2 and found.size == (24, 40) and found.checked == ((24, 40),)
    lq = image(1, 3, 24, 40)
    assert torch.allclose(run(found, lq), network(lq), rtol=0, atol=1e-6)
    assert onnx_result(network, scale=1).startswith("fixed size only: the result differs by 0.")


class Deeper(nn.Module):
    """Computes something else for large images, as RGT does."""

    def forward(self, x):
        return x * (0.5 if max(x.shape[-2:]) < 1024 else 0.25)


def test_what_large_images_alone_show_is_refused():
    with pytest.raises(NotExportable, match=r"^the result differs by 0\.\d+ at 40x1040 px"):
        onnx_network(Deeper().eval(), scale=1)


def test_an_operator_that_onnx_lacks_is_named():
    with pytest.raises(NotExportable, match="^torch cannot export it: .*fft") as caught:
        onnx_network(Unknown().eval(), scale=1)
    assert "\n" not in str(caught.value) and "feel free" not in str(caught.value)
    assert onnx_result(Unknown().eval(), scale=1).startswith("no: torch cannot export it: ")


def test_another_size_of_the_result_is_refused():
    with pytest.raises(NotExportable, match=r"the result has the size \d+x\d+ instead of \d+x\d+ at"):
        onnx_network(Cropped().eval(), scale=1)


class Cropped(nn.Module):
    """The crop is a Python number."""

    def forward(self, x):
        return x[..., : int(x.shape[-2]) // 2, :]


@pytest.mark.parametrize("missing", [["onnx"], ["onnxruntime"], ["onnx", "onnxruntime"]])
def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch, missing):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    verb = "is" if len(missing) == 1 else "are"
    text = f'^`kind` onnx needs {" and ".join(missing)}, which {verb} not installed: pip install "iqa_sr\\[onnx\\]"$'
    with pytest.raises(ModuleNotFoundError, match=text):
        onnx_network(convolutions(), scale=2)


def test_large_numbers_that_float16_cannot_hold_are_refused():
    network = convolutions()
    network[0].weight.mul_(1e6)
    assert np.isfinite(network(image(1, 3, 8, 8)).numpy()).all()
    with pytest.raises(NotExportable, match=r"the result differs by .* at 40x56 px"):
        onnx_network(network, scale=2, half=True)
