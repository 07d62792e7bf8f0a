"""Formulas over scores: what they compute, and that nothing but arithmetic gets through."""

import numpy as np
import pytest

from iqa_sr.stats.score_formula import LONGEST, PUBLISHED, Formula

SCORES = {
    "psnr": np.array([30.0, 28.0]),
    "lpips-vgg": np.array([0.2, 0.1]),
    "niqe": np.array([4.0, 12.0]),
    "pyiqa:x+": np.array([1.0, 2.0]),
}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("psnr", [30, 28]),
        ("psnr - 20 * 'lpips-vgg'", [26, 26]),
        ('-psnr / 2 + "pyiqa:x+"', [-14, -12]),
        ("max(0, (10 - niqe) / 10)", [0.6, 0]),
        ("min(psnr, 29, niqe * 3)", [12, 28]),
        ("2 * (psnr + 1e1) - +1", [79, 75]),
        ("psnr-niqe-1", [25, 15]),
    ],
)
def test_computes(text, values):
    assert Formula(text)(SCORES) == pytest.approx(values)


def test_names_its_metrics_once_each_in_order():
    assert Formula("niqe + 2 * 'lpips-vgg' / max(psnr, niqe)").names == ("niqe", "lpips-vgg", "psnr")


def test_division_by_nothing_is_nan_and_gives_no_warning():
    assert not np.isfinite(Formula("1 / (psnr - psnr)")(SCORES)).any()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "psnr ** 2",
        "psnr.real",
        "psnr if niqe else 1",
        "[psnr]",
        "(lambda: psnr)()",
        "psnr > 3",
        "psnr // 2",
        "psnr + True",
        "psnr + 2j",
        "psnr + None",
        "psnr + b'x'",
        "psnr + ''",
        "max(psnr)",
        "max(psnr, niqe, key=psnr)",
        "max(*psnr, niqe)",
        "abs(psnr, niqe)",
        "max + 1",
        "f'{psnr}'",
        "not psnr",
        "psnr + 1e999",
        "psnr + 1" + "0" * 400,
        "~" * (LONGEST - 4) + "psnr",
        "psnr" + ".a" * 240,
    ],
)
def test_only_arithmetic_is_allowed(text):
    with pytest.raises(ValueError, match=r"the formula holds .*; allowed are numbers, names of metrics"):
        Formula(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("psnr +", "cannot be read at character"),
        ("", "cannot be read at character"),
        ("a = 1", "cannot be read at character"),
        ("psnr\0", "cannot be read"),
        ("1 + 2", "names no metric"),
        ("psnr + " * LONGEST, f"at most {LONGEST} are read"),
    ],
)
def test_says_why_it_cannot_be_read(text, message):
    with pytest.raises(ValueError, match=message):
        Formula(text)


@pytest.mark.parametrize("text", ["-" * (LONGEST - 4) + "psnr", "psnr" + "+psnr" * 99, "(" * 90 + "psnr" + ")" * 90])
def test_deep_ones_are_computed(text):
    assert np.isfinite(Formula(text)(SCORES)).all()


def test_the_part_at_fault_is_shown_as_it_was_typed():
    with pytest.raises(ValueError, match=r"the formula holds 'niqe\*\*2'; allowed are"):
        Formula("psnr - 3*(niqe**2)")


def test_names_are_compared_with_what_there_is():
    Formula("psnr - niqe").check_names(SCORES)
    with pytest.raises(ValueError, match="lpips-vgg needs quotes around it: 'lpips-vgg'"):
        Formula("psnr - lpips-vgg").check_names(SCORES)
    with pytest.raises(ValueError, match="needs nique, of which there are no scores; did you mean niqe"):
        Formula("psnr - nique").check_names(SCORES)


def test_the_perceptual_score_of_ntire_2025_by_hand():
    scores = {"lpips": 0.25, "dists": 0.125, "clipiqa": 0.5, "maniqa": 0.375, "musiq": 62.5, "niqe": 4.0}
    formula = Formula(PUBLISHED["ntire2025"])
    assert set(formula.names) == set(scores)
    assert formula(scores) == pytest.approx(0.75 + 0.875 + 0.5 + 0.375 + 0.625 + 0.6)
    assert formula({**scores, "niqe": 11.0}) == pytest.approx(0.75 + 0.875 + 0.5 + 0.375 + 0.625)
