"""Attacks against functions whose optimum is known, and against a small network: bounds, whole levels, determinism."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, interpolate

from iqa_sr.attacks.apgd import _periods, apgd
from iqa_sr.attacks.bounds import Bound, rms
from iqa_sr.attacks.gradient_steps import fgsm, i_fgsm, mi_fgsm
from iqa_sr.attacks.robustness import robustness_scores, scaled
from iqa_sr.attacks.square import square_attack
from iqa_sr.attacks.universal_tile import add_tile, universal_tile
from iqa_sr.attacks.visibility import strongest_invisible
from iqa_sr.io.image_tensors import as_8_bit

LINF, RMS = Bound("linf", 4), Bound("rms", 1.5)
GRADIENT = {
    "fgsm": fgsm,
    "i-fgsm": lambda *given: i_fgsm(*given, steps=6),
    "mi-fgsm": lambda *given: mi_fgsm(*given, steps=6),
    "apgd": lambda *given: apgd(*given, steps=10, restarts=2),
}
ATTACKS = {
    **{f"{name} {bound.norm}": (attack, bound) for name, attack in GRADIENT.items() for bound in (LINF, RMS)},
    "square": (lambda *given: square_attack(*given, queries=40), LINF),
}


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    smooth = interpolate(torch.rand(3, 3, 8, 8, generator=generator), size=(40, 44), mode="bicubic")
    return smooth.clamp(0, 1)  # not in whole levels, and black and white in places


@pytest.fixture(scope="module")
def network():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(shape, generator=generator).double() for shape in ((8, 3, 5, 5), (1, 8, 3, 3)))

    def quality(image):
        hidden = torch.tanh(conv2d(image.double() - 0.5, first, stride=2))
        return conv2d(hidden, second).mean((1, 2, 3))

    return quality


def jod(images, starts):
    """A stand-in: 0.04 JOD for each level of RMS."""
    return 10 - 0.04 * 255 * rms(images - starts)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_raises_the_score_within_its_bound_in_whole_levels(name, images, network):
    attack, bound = ATTACKS[name]
    given, start = images.clone(), as_8_bit(images)
    attacked = attack(network, images, bound)
    assert torch.equal(images, given) and not attacked.requires_grad
    assert torch.equal(as_8_bit(attacked), attacked)
    change = 255 * (attacked - start)
    size = change.abs().amax((1, 2, 3)) if bound.norm == "linf" else rms(change)
    assert (size <= bound.levels + 1e-4).all() and (size > 0.5 * bound.levels).all()
    assert (network(attacked) > network(start)).all()
    assert torch.equal(attack(network, images, bound), attacked)
    alone = attack(network, images[1:2], bound)
    assert torch.equal(alone, attacked[1:2])


@pytest.mark.parametrize("bound", [LINF, RMS], ids=["linf", "rms"])
def test_the_optimum_of_a_linear_quality_is_reached(bound):
    weights = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))

    def quality(image):
        return (image * weights).flatten(1).sum(1)

    start = as_8_bit(torch.full((2, 3, 32, 32), 0.5))
    dual = weights.abs().sum() if bound.norm == "linf" else weights.norm() * math.sqrt(weights.numel())
    optimum = float(bound.radius * dual)
    gains = {name: quality(attack(quality, start, bound)) - quality(start) for name, attack in GRADIENT.items()}
    least = 0.9999 if bound.norm == "linf" else 0.97  # whole levels of 1.5 on average
    assert all((least * optimum < gain).all() and (gain < optimum * 1.0001).all() for gain in gains.values()), gains
    if bound.norm == "linf":
        squares = quality(square_attack(quality, start, bound, queries=300)) - quality(start)
        assert (0.05 * optimum < squares).all() and (squares < optimum).all()


def test_apgd_finds_what_fixed_steps_step_over(images, network):
    """A bowl: its top is 2.6 levels away on average, which steps of the full radius miss."""
    top = (
        as_8_bit(images) + (torch.rand(images.shape, generator=torch.Generator().manual_seed(2)) * 8 - 4) / 255
    ).clamp(0, 1)

    def quality(image):
        return -255 * rms(image - top)

    gains = {name: quality(attack(quality, images, Bound("linf", 8))) for name, attack in GRADIENT.items()}
    gains["more steps"] = quality(apgd(quality, images, Bound("linf", 8), steps=40))
    assert (gains["apgd"] > gains["i-fgsm"]).all() and (gains["i-fgsm"] > gains["fgsm"]).all()
    assert (gains["more steps"] > gains["apgd"]).all() and (gains["more steps"] > -0.6).all()


def test_the_checkpoints_of_apgd_are_those_of_the_paper():
    """p = 0, 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99 of 100 steps."""
    assert list(_periods(100)) == [22, 19, 16, 13, 10, 7, 6, 6, 1]
    assert all(sum(_periods(steps)) == steps for steps in (1, 2, 7, 50))


def test_a_bound_that_no_whole_level_fits_into_is_refused():
    for norm, levels, text in (("linf", 0.8, "at least 1 level"), ("rms", 0, "more than 0"), ("linf", math.nan, "nan")):
        with pytest.raises(ValueError, match=text):
            Bound(norm, levels)
    with pytest.raises(ValueError, match="expected a bound of linf, got rms"):
        square_attack(lambda image: image.mean((1, 2, 3)), torch.rand(1, 3, 8, 8), RMS)


def test_a_change_below_half_a_level_keeps_its_length_and_its_largest_values():
    change = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(3))
    change = change / rms(change).view(-1, 1, 1, 1) * 0.2 / 255
    whole = Bound("rms", 2).whole(change)
    assert ((255 * whole - (255 * whole).round()).abs() < 1e-4).all()
    assert (rms(255 * whole) <= 0.2001).all() and (rms(255 * whole) > 0.18).all()
    for one, kept in zip(change.abs(), whole != 0, strict=True):
        assert one[kept].min() >= one[~kept].max()
    assert rms(255 * Bound("rms", 0.1).whole(change)).max() <= 0.1001


@pytest.mark.parametrize("bound", [Bound("rms", 0.5), Bound("linf", 2)], ids=["rms", "linf"])
def test_a_universal_tile_raises_other_images(bound, images, network):
    others = as_8_bit(images.flip(-1).roll(11, -2))
    tile = universal_tile(network, images, bound, side=8, steps=12)
    assert torch.equal(tile, universal_tile(network, images, bound, side=8, steps=12))
    size = 255 * (tile.abs().max() if bound.norm == "linf" else rms(tile)[0])
    assert tile.shape == (1, 3, 8, 8) and 0.5 * bound.levels < size <= bound.levels + 1e-4
    for offset in ((0, 0), (2, 6)):
        changed = add_tile(others, tile, offset)
        assert torch.equal(as_8_bit(changed), changed)
        assert (network(changed) - network(others)).mean() > 0
    black = add_tile(torch.zeros(1, 3, 20, 20), tile, (2, 1))
    assert torch.equal(black[0, :, 6, 7], as_8_bit(tile[0, :, 0, 0]))  # row 6 is the tile's eighth


def test_an_attack_is_shrunk_until_nobody_sees_it(images, network):
    start = as_8_bit(images)
    attacked = apgd(network, images, Bound("linf", 8), steps=6)
    unseen, gains = strongest_invisible(network, start, attacked, jod)
    assert torch.equal(as_8_bit(unseen), unseen) and (jod(unseen, start) >= 9.99).all()
    assert (gains > 0).all() and torch.equal(gains, network(unseen) - network(start))
    assert ((network(attacked) - network(start)) > gains).all() and (jod(attacked, start) < 9.9).all()
    whole, all_gained = strongest_invisible(network, start, attacked, jod, at_least=9)
    assert torch.equal(whole, attacked) and (all_gained > gains).all()
    same, nothing = strongest_invisible(network, start, attacked, jod, at_least=10.1)
    assert torch.equal(same, start) and not nothing.any()


def test_the_robustness_score_is_that_of_the_formula():
    before, after = torch.tensor([0.25, 0.9, 0.5]), torch.tensor([0.35, 0.0, 0.5])
    expected = [math.log10(0.75 / 0.100001), math.log10(0.9 / 0.900001), math.log10(0.5 / 1e-6)]
    assert robustness_scores(before, after).tolist() == pytest.approx(expected, abs=1e-5)
    assert scaled(torch.tensor([2.0, 5.0]), torch.tensor([3.0, 1.0, 2.0])).tolist() == [0.5, 2.0]
