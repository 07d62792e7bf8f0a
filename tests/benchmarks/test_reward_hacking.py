"""What the benchmark of reward hacking calls the held-out loss, and that its results say so."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch

from tests import ROOT

SETUP = {"option_file": "", "data": "", "base": "", "base_key": "", "judge": "rankiqa-lite", "second_judge": ""}
SETUP |= {"sampler": "", "steps": 8, "windows": 3, "window": 192, "batch": 4, "preset": "swinir-conv"}


@pytest.fixture
def scripts(monkeypatch):
    """The modules `runs` and `main` of the benchmark, which find each other beside them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks/reward_hacking"))
    monkeypatch.setattr("iqa_sr.runtime.threads.prepare_cpu_threads", lambda: None)
    import main
    import runs

    yield SimpleNamespace(runs=runs, main=main)
    for name in ("main", "runs", "tables", "plots"):  # names that others may have, too
        sys.modules.pop(name, None)


def test_the_held_out_loss_is_that_of_the_judges_and_not_of_the_consistency(scripts, tmp_path):
    runs = scripts.runs
    second = tmp_path / "second.safetensors"
    second.write_bytes(b"weights")
    setup = runs.Setup(**{**SETUP, "second_judge": str(second)})
    bench = object.__new__(runs.Bench)  # data and networks play no part
    bench.setup, bench.averaged = setup, runs.averaged_names(setup)
    base = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)  # a spread of 1
    bench.base_scores = {"rankiqa-lite": base, "niqe": base, "lr-consistency": base, runs.SECOND: base}
    bench.base_psnr = level = base * 0 + 30
    changes = {"rankiqa-lite": 2.0, "niqe": -0.3, "lr-consistency": -9.0, runs.SECOND: -0.1}
    scores = {name: base + change for name, change in changes.items()}
    measures = SimpleNamespace(high_frequency=level, periodic=level, base_psnr=level, psnr=level)
    bench._scores = lambda upscale: (measures, scores, [])
    values, _ = bench.measure(lambda lq: lq)
    assert values["held-out loss"] == pytest.approx(0.2) and values["loss lr-consistency"] == pytest.approx(9)
    assert "niqe" in bench.averaged and "lr-consistency" not in bench.averaged and bench.averaged[-1] == runs.SECOND

    written = tmp_path / "results/setup.json"
    scripts.main.check_same_setup(written, setup)
    assert json.loads(written.read_text())["averaged"] == bench.averaged
    scripts.main.check_same_setup(written, setup)
    written.write_text(written.read_text().replace('"niqe"', '"niqe", "lr-consistency"'))
    with pytest.raises(SystemExit, match="holds another benchmark .*averaged was .*'lr-consistency'"):
        scripts.main.check_same_setup(written, setup)
