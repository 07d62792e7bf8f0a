"""Columns of a paper's table: names, digits, and which means are best as they are shown."""

import pytest

from iqa_sr.metrics import metric_names
from iqa_sr.table.columns import Column, metric_columns


def column(higher=True, decimals=2):
    return Column("psnr", "PSNR", higher, decimals)


def test_digits_and_names_are_those_of_tables():
    names = ("psnry-basicsr", "ssimy-basicsr", "lpips", "niqe", "musiq", "maniqa-pipal", "clipiqa", "nima", "mine")
    found = {one.metric: (one.title, one.decimals) for one in metric_columns(dict.fromkeys(names, True), {"lpips": 3})}
    assert found == {
        "psnry-basicsr": ("PSNR", 2),
        "ssimy-basicsr": ("SSIM", 4),
        "lpips": ("LPIPS", 3),
        "niqe": ("NIQE", 4),
        "musiq": ("MUSIQ", 2),
        "maniqa-pipal": ("MANIQA", 4),
        "clipiqa": ("CLIP-IQA", 4),
        "nima": ("NIMA", 2),
        "mine": ("mine", 4),
    }


def test_two_variants_of_one_metric_keep_their_own_names():
    titles = [one.title for one in metric_columns({"psnr": True, "psnry-basicsr": True, "lpips": False}, {})]
    assert titles == ["psnr", "psnry-basicsr", "LPIPS"]


def test_every_metric_has_a_column_of_its_own():
    columns = metric_columns(dict.fromkeys(metric_names(), True), {})
    assert len({one.title for one in columns}) == len(columns)


@pytest.mark.parametrize(
    ("higher", "means", "ranks"),
    [
        (True, [22.3, 22.08, 21.77], [1, 2, 0]),
        (False, [0.17, 0.12, 0.3], [2, 1, 0]),
        (True, [1.001, 1.004, 0.5], [1, 1, 2]),  # equal as they are shown
        (True, [0.5, 1.0, 0.5], [2, 1, 2]),
        (False, [None, 2.0, float("nan"), 1.0], [0, 2, 0, 1]),
        (True, [5.0], [0]),
        (True, [5.0, 5.0], [0, 0]),
        (True, [-3.0, -2.0, -0.001, 0.001], [0, 2, 1, 1]),  # -0.00 is 0.00
    ],
)
def test_what_is_best_is_what_the_table_shows_as_best(higher, means, ranks):
    assert column(higher).ranks(means) == ranks


def test_a_mean_is_shown_with_the_column_s_digits():
    assert [column(decimals=3).text(mean) for mean in (0.12345, None, float("nan"), 12)] == [
        "0.123",
        "-",
        "-",
        "12.000",
    ]
