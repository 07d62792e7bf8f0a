"""Makes metrics of sets in result folders for the tests of tables and reports."""

from iqa_sr.set_metrics.base import SetScore
from iqa_sr.set_metrics.result_scores import SetResult, write_set_results


def set_result(label, value, dataset="set", metric="fid", patches=None, images=100, width=1.0, spec="Inception"):
    """A number with an interval of `value +- width`; none where the width is NaN."""
    score = SetScore(
        metric, value, width / 2, (value - width, value + width), value + width / 2, (images,) * 2, (images,) * 2, True
    )
    return SetResult(label, dataset, patches, score, spec, False, "0" * 16)


def write_sets(folder, values, **more):
    """`set_scores.json` with a number for each label; `more` as in `set_result`. Returns the folder."""
    write_set_results(folder, [set_result(label, value, **more) for label, value in values.items()])
    return folder
