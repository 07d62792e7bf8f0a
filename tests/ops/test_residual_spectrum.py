"""The measures of noise on residuals whose amplitude is known."""

import math

import pytest
import torch

from iqa_sr.ops.residual_spectrum import high_frequency_noise, lattice_share, longest_period, periodic_noise
from tests.helpers.golden_images import photo

SIDE = 192
MEASURES = pytest.mark.parametrize("measure", [high_frequency_noise, periodic_noise])


def positions(side=SIDE):
    return torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")


def checkerboard(amplitude, side=SIDE):
    """`(1, 3, side, side)`, +-amplitude levels of 255."""
    down, across = positions(side)
    return (((down + across) % 2 * 2 - 1) * amplitude / 255)[None, None].expand(1, 3, -1, -1)


def wave(amplitude, down_frequency, across_frequency, side=SIDE):
    down, across = positions(side)
    phase = 2 * math.pi * (down_frequency * down + across_frequency * across)
    return (phase.sin() * amplitude / 255)[None, None].expand(1, 3, -1, -1)


def noise(sigma, side=SIDE, seed=0, channels=3):
    drawn = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(seed))
    return (drawn * sigma / 255).expand(1, 3, -1, -1)


@MEASURES
@pytest.mark.parametrize("side", [16, 40, 64, 100, SIDE])
def test_a_checkerboard_has_its_amplitude(measure, side):
    assert measure(checkerboard(3, side)).item() == pytest.approx(3, rel=0.01)


@MEASURES
@pytest.mark.parametrize(("down", "across"), [(0.3, 0.1), (0, 0.45), (0.4, 0.4)])
def test_a_sinusoid_has_its_rms(measure, down, across):
    assert measure(wave(2, down, across)).item() == pytest.approx(2 / math.sqrt(2), rel=0.02)


def test_a_slow_sinusoid_is_periodic_but_not_of_high_frequency():
    slow = wave(2, 0, 1 / 10)
    assert periodic_noise(slow).item() == pytest.approx(2 / math.sqrt(2), rel=0.02)
    assert high_frequency_noise(slow).item() < 0.01


@pytest.mark.parametrize(
    ("period", "over"), [(16, 0.02), (18, 0.2), (20, 0.2), (24, 0.04), (28, 0.04), (32, 0.02), (36, 0.04)]
)
def test_a_pattern_as_slow_as_the_lattice_of_a_window_is_found(period, over):
    """A window of 8 px at x4, and a patch of MUSIQ: 32 px."""
    pattern = wave(2, 1 / period, 0) + wave(2, 0, 1 / period)
    for residual in (pattern, pattern + noise(2)):
        assert periodic_noise(residual).item() == pytest.approx(2, rel=over + 0.05)
    small = pattern[..., :96, :96]  # of which the content's own structure could not be told from it
    assert periodic_noise(small).item() < 2.4


def test_slow_noise_and_structure_are_hardly_periodic():
    slow = torch.nn.functional.interpolate(noise(4, 24), SIDE, mode="bicubic")
    assert periodic_noise(slow).item() < 0.2 * 255 * slow.std().item()
    assert periodic_noise(0.05 * photo()[None]).item() < 0.1 * 255 * (0.05 * photo()).std().item()


def test_white_noise_keeps_its_sigma_and_is_hardly_periodic():
    # All channels alike: the fewest independent bins.
    residual = noise(4, channels=1)
    assert high_frequency_noise(residual, cut=0).item() == pytest.approx(4, rel=0.03)
    # A disc of radius 0.25 is left out of the unit square of frequencies.
    assert high_frequency_noise(residual).item() == pytest.approx(4 * math.sqrt(1 - math.pi / 16), rel=0.03)
    assert periodic_noise(residual).item() < 0.1


@pytest.mark.parametrize("side", [16, 32, 64])
def test_white_noise_of_one_patch_is_hardly_periodic(side):
    measured = torch.cat([periodic_noise(noise(4, side, seed, channels=1)) for seed in range(20)])
    assert measured.square().mean().sqrt().item() < 0.25 * 4


def test_a_pattern_is_found_in_noise_stronger_than_itself():
    residual = noise(4) + checkerboard(1)
    assert periodic_noise(residual).item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_grid_of_the_network_stands_out(period):
    down, across = positions()
    grid = ((down % period == 0) | (across % period == 0)).float() * 2 / 255
    assert periodic_noise(grid[None, None] + noise(0.1)).item() > 0.8 * 255 * grid.std().item()


@MEASURES
def test_a_smooth_gradient_and_a_constant_are_neither(measure):
    gradient = (positions()[1] * 20 / SIDE / 255)[None, None].expand(1, 3, -1, -1)
    assert measure(gradient).item() < 0.05
    assert measure(torch.full((1, 3, SIDE, SIDE), 0.1)).item() < 0.001
    assert measure(torch.zeros(1, 3, SIDE, SIDE)).item() == 0


def test_a_sharper_image_is_no_pattern():
    image = photo()[None]
    residual = 0.2 * (image - torch.nn.functional.avg_pool2d(image, 3, 1, 1, count_include_pad=False))
    assert periodic_noise(residual).item() < 0.3 * 255 * residual.std().item()


@MEASURES
def test_one_channel_counts_a_third_of_the_power(measure):
    gray = checkerboard(3)
    colour = gray * torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1)
    assert measure(colour).item() == pytest.approx(measure(gray).item() / math.sqrt(3), rel=1e-3)
    assert measure(gray[:, :1]).item() == pytest.approx(measure(gray).item(), rel=1e-5)


@MEASURES
def test_a_batch_equals_its_singles(measure):
    images = [noise(2), checkerboard(1) + noise(1, seed=1), wave(3, 0.2, 0.1)]
    batch = measure(torch.cat(images))
    assert batch.shape == (3,) and batch.dtype == torch.float32
    assert batch.tolist() == pytest.approx([measure(image).item() for image in images], rel=1e-4, abs=1e-4)


def natural_change():
    """What a blur takes away: broadband, stronger at edges."""
    return photo()[None] - torch.nn.functional.avg_pool2d(photo()[None], 3, 1, 1, count_include_pad=False)


def lattice(period, share, carrier):
    """A random tile that repeats, stronger where the image is bright, and so much of another change's power."""
    tile = noise(1, period)
    repeated = tile.repeat(1, 1, SIDE // period + 1, SIDE // period + 1)[..., :SIDE, :SIDE] * (0.5 + photo()[None])
    repeated = repeated - repeated.mean()
    return share**0.5 * repeated / repeated.std() + (1 - share) ** 0.5 * carrier / carrier.std()


@pytest.mark.parametrize("period", [4, 8, 16, 32])
def test_a_lattice_of_a_known_period_is_found_in_a_natural_change(period):
    for share in (0.2, 0.5, 0.9):
        assert lattice_share(lattice(period, share, noise(1, seed=1)), period).item() == pytest.approx(share, abs=0.12)
        # The window weighs the middle more than the border, where this one is stronger.
        assert lattice_share(lattice(period, share, natural_change()), period).item() > 0.7 * share
    assert lattice_share(lattice(period, 1.0, noise(1)), period).item() > 0.9


@pytest.mark.parametrize("period", [4, 8, 16, 32])
def test_a_broadband_change_is_no_lattice(period):
    structured = (positions()[1] // 37 % 2 * 0.1)[None, None].expand(1, 3, -1, -1)  # edges along an axis
    for residual in (noise(2), natural_change(), photo("coffee")[None], structured):
        assert lattice_share(residual, period).item() < 0.05
    other = lattice(11, 1.0, noise(1))
    assert lattice_share(other, period).item() < 0.2


def test_a_lattice_is_measured_where_six_periods_fit():
    assert longest_period(SIDE) == 32
    residual = torch.cat([lattice(16, 1.0, noise(1)), noise(1), torch.zeros(1, 3, SIDE, SIDE)])[..., :96, :]
    found = lattice_share(residual, 16)
    assert found.shape == (3,) and found[0] > 0.9 and found[1] < 0.3 and found[2] == 0
    assert lattice_share(residual, 17).isnan().all()
    residual[1, 0, 40, 40] = math.nan
    assert lattice_share(residual, 16).isnan().tolist() == [False, True, False]
    with pytest.raises(ValueError, match="lattice_share: period: expected at least 2 px, got 1"):
        lattice_share(residual, 1)


@MEASURES
def test_takes_any_shape_and_a_nan_shows(measure):
    residual = torch.zeros(1, 3, 50, 130)
    assert measure(residual).item() == 0
    residual[0, 1, 20, 20] = math.nan
    assert measure(residual).isnan().all()


@MEASURES
@pytest.mark.parametrize(
    ("residual", "text"),
    [
        (torch.zeros(3, 32, 32), r"expected floating \(N, C, H, W\), got torch.float32 \(3, 32, 32\)"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "got torch.uint8"),
        (torch.zeros(1, 3, 32, 15), r"needs at least 16x16 px, got 32x15 \(HxW\)"),
    ],
)
def test_refuses_what_is_no_residual(measure, residual, text):
    with pytest.raises(ValueError, match=f"{measure.__name__}: .*{text}"):
        measure(residual)
