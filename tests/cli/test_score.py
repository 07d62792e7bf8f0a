"""`iqa-sr score` as papers measure ready-made images: protocols, borders, names that differ from the references'."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from iqa_sr.cli.main import main
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image
from iqa_sr.metrics import create_metric
from iqa_sr.scores.protocols import find_protocol
from iqa_sr.scores.score_table import ScoreTable
from tests.helpers.sr_datasets import make_image, save, write_groups, write_labels

pytestmark = pytest.mark.usefixtures("working_folder")


@pytest.fixture
def results():
    """`sr/a_N_x4.png`, `sr/b_N_x4.png` of 24x20 px, and their references `HR/a.png`, `HR/b.png`."""
    for number, name in enumerate("ab"):
        save(f"sr/{name}_N_x4.png", make_image(number, 24, 20))
        save(f"HR/{name}.png", make_image(10 + number, 24, 20))


def score(*args, output="t.csv"):
    return main(["score", "sr", "--reference", "HR", *args, *(["--output", output] if output else [])])


def cut(path, border):
    image = to_tensor(read_image(path))[None]
    return image[..., border : image.shape[-2] - border, border : image.shape[-1] - border]


def expected(metric, border):
    """By image, of the cut files."""
    pairs = {f"{name}_N_x4.png": (f"sr/{name}_N_x4.png", f"HR/{name}.png") for name in "ab"}
    return {key: create_metric(metric)(*(cut(path, border) for path in pair)).item() for key, pair in pairs.items()}


def scores(metric, output="t.csv"):
    return {row.image: row.score for row in ScoreTable.read(output).rows if row.metric == metric}


@pytest.mark.parametrize("args", [("--suffix", "_N_x4"), ("--template", "{}_N_x4.png"), ("--template", "{}_N_x4")])
def test_images_are_paired_by_a_part_of_their_names(results, args):
    assert score("--metric", "psnr", *args) == 0
    assert scores("psnr") == pytest.approx(expected("psnr", 0), rel=1e-5)
    assert {(row.image, row.reference) for row in ScoreTable.read("t.csv").rows} == {
        ("a_N_x4.png", "HR/a.png"),
        ("b_N_x4.png", "HR/b.png"),
    }


def test_errors_about_names_propose_the_arguments(results, capsys):
    assert score("--metric", "psnr") == 1
    shown = capsys.readouterr().err
    assert "none of the 2 images of sr (a_N_x4.png, b_N_x4.png) has a reference of the same name in HR" in shown
    assert "--suffix _N_x4 gives 2 of them one: a_N_x4.png is compared with a.png\n" in shown
    assert score("--metric", "psnr", "--suffix", "_M_x4") == 1
    shown = capsys.readouterr().err
    assert "has a reference called after it as {}_M_x4 says in HR" in shown and "--suffix _N_x4" in shown
    save("HR/a_N_x4.png", make_image(1, 24, 20))
    assert score("--metric", "psnr") == 1
    shown = capsys.readouterr().err
    assert "not scored: b_N_x4.png: no reference of the same name; by the template '{}_N_x4' it is b.png" in shown
    save("sr/c_N_x4.png", make_image(1, 24, 20))
    save("sr/d.png", make_image(1, 24, 20))
    assert score("--metric", "psnr", "--suffix", "_N_x4") == 1
    shown = capsys.readouterr().err
    assert "c_N_x4.png: no reference c\n" in shown
    assert "d.png: its name does not fit the template {}_N_x4\n" in shown


def test_references_may_have_an_end_of_their_own(results, capsys):
    for name in "ab":
        Path(f"HR/{name}.png").rename(f"HR/{name}_HR.png")
    assert score("--metric", "psnr") == 1
    advice = "--suffix _N_x4 --reference-template '{}_HR' gives 2 of them one: a_N_x4.png is compared with a_HR.png\n"
    assert advice in capsys.readouterr().err
    assert score("--metric", "psnr", "--suffix", "_N_x4", "--reference-template", "{}_HR.png") == 0
    paired = {row.image: row.reference for row in ScoreTable.read("t.csv").rows}
    assert paired == {"a_N_x4.png": "HR/a_HR.png", "b_N_x4.png": "HR/b_HR.png"}
    assert score("--metric", "psnr", "--reference-template", "HR") == 1
    assert "--reference-template: expected the name of a reference with {} once" in capsys.readouterr().err
    for name in "ab":
        Path(f"HR/{name}_HR.png").rename(f"HR/other{name}.png")
    assert score("--metric", "psnr") == 1
    assert "x.png, --reference-template '{}_HR.png' x.png with x_HR.png\n" in capsys.readouterr().err


def test_a_border_is_cut_and_belongs_to_the_score(results, capsys):
    args = "--metric", "psnr,jod-lite", "--suffix", "_N_x4"
    assert score(*args, "--border", "2") == 0
    assert "lower is better; 2 px of each side cut" in capsys.readouterr().out
    assert scores("psnr") == pytest.approx(expected("psnr", 2), rel=1e-5)
    assert all(facts.spec.endswith("; crop 2") for facts in ScoreTable.read("t.csv").facts.values())
    assert score(*args) == 1
    assert "two kinds of psnr cannot be in one table" in capsys.readouterr().err
    assert score(*args, "--border", "2") == 0
    assert "0 new scores, 4 were there already" in capsys.readouterr().out


def test_a_border_that_leaves_nothing_is_told(results, capsys):
    save("sr/a_N_x4.png", make_image(3, 40, 40))
    save("HR/a.png", make_image(4, 40, 40))
    assert score("--metric", "psnr", "--suffix", "_N_x4", "--border", "10") == 1
    assert "b_N_x4.png: 10 px cut from each side leave nothing of 24x20 px (HxW)" in capsys.readouterr().err
    assert list(scores("psnr")) == ["a_N_x4.png"]
    assert score("--metric", "psnr", "--suffix", "_N_x4", "--border", "-1") == 1
    assert "--border: expected at least 0 px, got -1" in capsys.readouterr().err


def test_a_protocol_has_metrics_and_border(results, capsys):
    assert score("--protocol", "sr-classic", "--border", "4", "--metric", "gmsd", "--suffix", "_N_x4") == 0
    for metric in ("psnry-basicsr", "ssimy-basicsr", "gmsd"):
        assert scores(metric) == pytest.approx(expected(metric, 4), rel=1e-5)
    assert score("--protocol", "restoration", "--suffix", "_N_x4", output="whole.csv") == 0
    capsys.readouterr()
    assert score("--protocol", "restoration", "--suffix", "_N_x4", "--without", "psnr", output="fewer.csv") == 0
    assert "psnr: left out of the protocol restoration: as asked for" in capsys.readouterr().out
    assert {row.metric for row in ScoreTable.read("fewer.csv").rows} == {"ssimc-basicsr"}
    assert list(ScoreTable.read("whole.csv").facts) == ["psnr", "ssimc-basicsr"]
    assert scores("psnr", "whole.csv") == pytest.approx(expected("psnr", 0), rel=1e-5)


def test_the_formula_of_a_protocol_is_computed_of_the_means(results, capsys, monkeypatch):
    """Of a protocol whose metrics need no weights: NTIRE's do."""
    scored = replace(find_protocol("restoration"), formula="2 * psnr - 'ssimc-basicsr'")
    monkeypatch.setattr("iqa_sr.scores.protocols.PROTOCOLS", {"restoration": scored})
    assert score("--protocol", "restoration", "--suffix", "_N_x4") == 0
    means = {name: sum(scores(name).values()) / 2 for name in ("psnr", "ssimc-basicsr")}
    assert f"restoration of these means: {2 * means['psnr'] - means['ssimc-basicsr']:.4f}" in capsys.readouterr().out


def test_a_protocol_against_positives_averages_over_them(capsys, monkeypatch):
    """Of p0 two versions are positive, of p1 one, of p2 none; without the metrics of the protocol that need weights."""
    scored = replace(find_protocol("hggt-test100"), metrics=("psnr", "jod-lite"))
    monkeypatch.setattr("iqa_sr.scores.protocols.PROTOCOLS", {"hggt-test100": scored})
    write_groups("gt/images", count=3, size=40)
    for number in range(3):
        save(f"sr/p{number}_N.png", make_image(20 + number, 40))
    args = "--protocol", "hggt-test100", "--suffix", "_N"
    assert main(["score", "sr", "--reference", "gt", *args]) == 1
    assert "gt has no positive ground truth of the 3 images" in capsys.readouterr().err
    votes = {"p0": {"01": "PPS", "02": "PPP"}, "p1": {"01": "NNN", "02": "PPS"}, "p2": {"01": "SSS", "02": "NNN"}}
    write_labels("gt/labels", votes)
    assert main(["score", "sr", "--reference", "gt", *args, "--output", "t.csv"]) == 1
    shown = capsys.readouterr()
    psnr = create_metric("psnr")
    positives = {"p0": ("01", "02"), "p1": ("02",)}
    found = {
        name: [psnr(cut(f"sr/{name}_N.png", 4), cut(f"gt/images/{one}/{name}_{one}.png", 4)).item() for one in versions]
        for name, versions in positives.items()
    }
    rows = [row for row in ScoreTable.read("t.csv").rows if row.metric == "psnr"]
    assert sorted(row.score for row in rows) == pytest.approx(sorted([*found["p0"], *found["p1"]]), rel=1e-5)
    means = [sum(scores) / len(scores) for scores in found.values()]
    lines = {line.split()[0]: line.split()[1:] for line in shown.out.splitlines() if line.startswith("p")}
    assert [float(lines[f"p{number}_N.png"][0]) for number in range(2)] == pytest.approx(means, abs=1e-4)
    assert lines["p2_N.png"][0] == "-" and float(lines["p2_N.png"][1]) > 0
    assert any(line.split()[:4] == ["mean", "of", "3", f"{sum(means) / 2:.4f}"] for line in shown.out.splitlines())
    assert "p2_N.png: no positive ground truth" in shown.err
    assert main(["score", "sr", "--reference", "gt", *args, "--output", "t.csv"]) == 1
    assert "0 new scores, 6 were there already" in capsys.readouterr().out
    assert main(["score", "sr", "--reference", "gt", *args, "--output", "t.json"]) == 1
    assert len(json.loads(Path("t.json").read_text())["scores"]) == 6
    assert main(["score", "sr", "--reference", "gt", "--protocol", "hggt-test100"]) == 1
    shown = capsys.readouterr().err
    assert "none of the 3 images (p0_N.png, ...) is called as one of the 3 originals of gt" in shown
    assert "--suffix _N gives 3 of them one" in shown


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "name metrics (--metric psnr,niqe), a --protocol, or metrics of sets (--set fid)"),
        (("--protocol", "sr-clasic"), "--protocol: there is no protocol 'sr-clasic'; did you mean sr-classic"),
        (("--protocol", "sr-classic"), "name it: --border 4 for x4"),
        (("--metric", "psnr", "--without", "niqe"), "--without niqe: leaves metrics of a --protocol out, got none"),
        (("--protocol", "paper", "--without", "niqe"), "--without: --protocol paper has no metric 'niqe'; it has psnr"),
        (("--protocol", "restoration", "--border", "4"), "--border 4: --protocol restoration fixes it"),
        (
            ("--metric", "psnr", "--suffix", "_x4", "--template", "{}_x4"),
            "--suffix _x4 is short for --template '{}_x4'; leave one of them out",
        ),
        (("--metric", "psnr", "--template", "x4"), "--template: expected the name of an image with {} once"),
    ],
)
def test_wrong_arguments_are_refused(results, capsys, args, message):
    assert score(*args) == 1
    assert message in capsys.readouterr().err and not Path("t.csv").exists()


def test_names_of_references_without_references(results, capsys):
    assert main(["score", "sr", "--metric", "jod-lite", "--suffix", "_x4"]) == 1
    assert "name their folder with --reference DIR" in capsys.readouterr().err


def test_means_over_different_images_are_told_and_make_no_formula(results, capsys):
    Path("HR/b.png").unlink()
    assert score("--metric", "psnr,jod-lite", "--suffix", "_N_x4", output=None) == 1
    assert "means over fewer images: psnr 1\n" in capsys.readouterr().out
