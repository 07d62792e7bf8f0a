"""Labels of a session, to the samplers that need them."""

import pytest
import torch

from iqa_sr.cli.main import main as cli
from iqa_sr.data.multi_gt.layouts import GroundTruthOptions
from iqa_sr.data.multi_gt.manifest import read_manifest
from iqa_sr.labeling.session import open_session
from iqa_sr.samplers import build_sampler
from tests.helpers.sr_datasets import training_options, write_groups
from tests.helpers.tiny_runs import train


@pytest.fixture
def labeled(tmp_path, monkeypatch):
    """Three groups; two of three raters prefer version 02, and one rater 01, to the original."""
    monkeypatch.chdir(tmp_path)
    data = write_groups("data", count=3)
    for rater, preferred in (("a", "02"), ("b", "02"), ("c", "01")):
        with open_session([data], rater) as session:
            while (question := session.current()) is not None:
                choice = "first" if question.first_version == preferred else "second"
                session.answer(question.number, choice, 1.0)
    return data


@pytest.mark.parametrize("kind", ["positives", "softmax-positives"])
def test_the_samplers_take_what_the_majority_preferred(labeled, kind):
    options = {"type": kind}
    if kind == "softmax-positives":
        assert cli(["score", "data", "--metric", "jod-lite", "--output", "scores.csv"]) == 0
        options |= {"scores": "scores.csv", "metric": "jod-lite"}
    manifest = read_manifest(GroundTruthOptions(dataroot_gt=(labeled,)), progress=False)
    assert not len(manifest.problems)
    assert [[gt.folder for gt in record.ground_truths if gt.label] for record in manifest.records] == [["01", "02"]] * 3
    sampler, generator = build_sampler(options), torch.Generator().manual_seed(0)
    sampler.check(manifest.records)
    taken = {
        record.ground_truths[index].folder
        for record in manifest.records
        for _ in range(5)
        for index in sampler.shortlist(record, generator).indices
    }
    assert taken == {"02"}
    assert train(training_options("data", datasets__train__sampler=options, train__total_iter=3)) == 0
