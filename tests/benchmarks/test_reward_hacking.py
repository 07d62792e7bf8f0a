"""What the benchmark of reward hacking compares: runs at equal gain, effects with intervals, results of one setup."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_network
from iqa_sr.config.option_files import read_option_file
from iqa_sr.training.run_config import RunConfig
from tests import ROOT

SETUP = {"option_file": "", "scale": 2, "degradation": "bicubic", "data": "", "images": "", "base": "", "base_key": ""}
SETUP |= {"metric": "rankiqa-lite", "weights": "", "quality_weight": 0.003, "rank": 8, "steps": 8, "batch": 4}
SETUP |= {"windows": 3, "window": 192, "strengths": (0.5, 1.0)}


@pytest.fixture(scope="module")
def scripts():
    """The modules of the benchmark, which find each other beside them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks/reward_hacking"))
        patch.setattr("iqa_sr.runtime.threads.prepare_cpu_threads", lambda: None)
        import main
        import records
        import runs
        import tables

        yield SimpleNamespace(main=main, records=records, runs=runs, tables=tables)
    for name in ("main", "records", "runs", "tables", "plots"):  # names that others may have, too
        sys.modules.pop(name, None)


def rows_of(scripts, key, strength, rewards, jods):
    fields = scripts.runs.asdict(key) | {"strength": strength}
    return [
        {**fields, "image": i, "reward": r, "JOD to GT": j} for i, (r, j) in enumerate(zip(rewards, jods, strict=True))
    ]


def run_of(scripts, tmp_path, half, whole, rate=1e-4, **key):
    """A run of two images with the given (rewards, JODs) at the strengths 0.5 and 1, by way of its file."""
    key = scripts.records.Key(**{"phase": "final", "arm": "full", "mode": "plain", "rate": rate, "seed": 1, **key})
    base = rows_of(scripts, scripts.records.Key("base", "full", "plain", 0.0, 0), 0.0, [1.0, 3.0], [9.0, 9.0])
    rows = [*rows_of(scripts, key, 1.0, *whole), *rows_of(scripts, key, 0.5, *half)]
    scripts.records.write_rows(tmp_path / "runs.csv", rows)
    assert scripts.records.read_rows(tmp_path / "runs.csv") == rows
    [run] = scripts.tables.runs_of(rows, base, unit=2.0)
    return run


def test_endpoints_are_those_where_the_gain_is_first_reached(scripts, tmp_path):
    run = run_of(scripts, tmp_path, half=([2.0, 4.0], [9.1, 9.3]), whole=([5.0, 5.0], [8.0, 8.2]))
    assert run.strengths == [0, 0.5, 1] and run.gains.tolist() == pytest.approx([0, 0.5, 1.5])
    np.testing.assert_allclose(run.at(0.25)["JOD to GT"], [0.05, 0.15])
    np.testing.assert_allclose(run.at(1.0)["JOD to GT"], [-0.45, -0.25])
    np.testing.assert_allclose(run.at(1.0)["reward"], [1.25, 0.75])  # of each image; their mean is the gain
    assert run.at(1.6) is None


def test_the_rate_with_the_best_images_at_the_gain_is_taken(scripts, tmp_path):
    worse = run_of(scripts, tmp_path, ([2.0, 4.0], [9.0, 9.0]), ([5.0, 5.0], [8.0, 8.0]), rate=1e-3)
    better = run_of(scripts, tmp_path, ([2.0, 4.0], [9.0, 9.0]), ([4.0, 4.0], [8.9, 8.9]), rate=1e-4)
    short = run_of(scripts, tmp_path, ([1.1, 3.1], [9.5, 9.5]), ([1.2, 3.2], [9.5, 9.5]), rate=1e-5)
    chosen, lines = scripts.tables.choose_rates([worse, better, short], gain=0.8)
    assert chosen == {("plain", "full"): 1e-4} and "1e-05: +nan (0.10)" in lines[-1]
    assert scripts.tables.choose_rates([worse, better, short], gain=2.0)[0] == {("plain", "full"): 1e-3}


def test_an_effect_is_sure_over_images_and_seeds_and_after_correction(scripts):
    generator = np.random.default_rng(0)
    images = 0.1 + 0.05 * generator.standard_normal(25)
    sure = scripts.tables.effect(np.stack([images, images + 0.01]))
    assert sure.images[0] < sure.mean < sure.images[1] and sure.images[0] > 0
    assert sure.p == pytest.approx(2 / 20_001)  # the smallest that so many drawn ways give
    assert sure.cell(sure.p * 100).startswith("**+0.") and not sure.cell(0.06).startswith("**")
    unsure = scripts.tables.effect(np.stack([images + 0.2, images - 0.2]))  # the seeds do not agree
    assert unsure.images[0] > 0 and unsure.seeds[0] < 0 and not unsure.cell(unsure.p).startswith("**")
    table = scripts.tables.effects_table(["arm"], {("a",): {"x": np.stack([images] * 2), "y": np.stack([-images] * 2)}})
    assert table[-1].startswith("| a | **+0.") and "| **-0." in table[-1]


def test_results_of_another_setup_are_not_continued(scripts, tmp_path):
    base = tmp_path / "base.pth"
    base.write_bytes(b"weights")
    setup = scripts.runs.Setup(**{**SETUP, "base": str(base)})
    written = tmp_path / "results/setup.json"
    scripts.main.check_same_setup(written, setup)
    scripts.main.check_same_setup(written, setup)
    assert {"JOD to GT", "JOD to base", "NIQE"} <= set(json.loads(written.read_text())["endpoints"])
    written.write_text(written.read_text().replace('"NIQE"', '"another"'))
    with pytest.raises(SystemExit, match="holds another benchmark .*endpoints was .*'another'"):
        scripts.main.check_same_setup(written, setup)
    written.unlink()
    scripts.main.check_same_setup(written, setup)
    base.write_bytes(b"other weights")
    with pytest.raises(SystemExit, match="holds another benchmark .*base_sha256 was"):
        scripts.main.check_same_setup(written, setup)


def test_the_options_at_another_scale_and_degradation_are_valid(scripts):
    plugin.register()
    content = scripts.runs.with_degradation(read_option_file(ROOT / "options/swinir_amo.yml"), 4, "hggt-one-stage")
    opt = RunConfig.from_options(content).basicsr_opt()
    assert opt["scale"] == opt["network_g"]["upscale"] == 4
    assert {section["degradation"]["type"] for section in opt["datasets"].values()} == {"hggt-one-stage"}


def test_the_arm_at_full_rank_trains_the_weights_of_attention_and_mlps_alone(scripts):
    network = build_network(read_option_file(ROOT / "options/swinir_amo.yml")["network_g"])
    scripts.runs.train_only(network, "swinir")
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert len(trained) == 6 * 4  # blocks, layers
    assert all(re.search(r"\.(attn\.(qkv|proj)|mlp\.fc[12])\.weight$", name) for name in trained)
