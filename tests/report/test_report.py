"""`iqa-sr report`: folders joined, statistics of them, the page and where its images go."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from iqa_sr.cli.main import main as cli
from iqa_sr.report.collect import read_report
from iqa_sr.report.content import page_content
from iqa_sr.report.images import ReportImages
from iqa_sr.report.page import as_script_text
from iqa_sr.scores.result_folder import DataSetFacts, read_run, write_run
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from tests.helpers.result_folders import EVIL, write_experiment, write_results
from tests.helpers.sr_datasets import make_image, save

NO_IMAGES = ReportImages({}, {})


def content_of(folders):
    return page_content(read_report(folders), NO_IMAGES, "title", "now")


def data_of(page):
    """The JSON inside a page, as a browser sees it."""
    text = Path(page).read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="content">(.*?)</script>', text, re.DOTALL)[1])


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_one_folder_gives_means_intervals_best_and_front(tmp_path):
    content = content_of([write_results(tmp_path / "run", labels=["a", "b"], keys=[f"p{n}" for n in range(30)])])
    assert [entry["name"] for entry in content["entries"]] == ["bicubic", "a", "b", "original"]
    assert [(one["name"], one["compared"]) for one in content["metrics"]] == [("psnr", True), ("niqe", False)]
    (scope,) = content["scopes"]
    psnr, niqe = scope["summaries"]
    table = ScoreTable.read(tmp_path / "run" / "scores.csv")
    assert psnr[1]["mean"] == pytest.approx(table.mean("a", "psnr"), rel=1e-5)
    assert psnr[1]["interval"][0] < psnr[1]["mean"] < psnr[1]["interval"][1] and psnr[1]["images"] == 30
    assert psnr[3] is None and niqe[3]["mean"] == pytest.approx(5.5, abs=0.1)
    assert scope["best"] == [
        {"row": 2, "near": []},
        {"row": 1, "near": []},
    ]  # lower NIQE is better, bicubic no candidate
    assert scope["fronts"] == {"0,1": [2, 1]}


def test_several_references_are_averaged_and_nan_left_out(tmp_path):
    folder = write_results(tmp_path / "run", labels=["a"], keys=["p0"], images=False)
    table = ScoreTable.read(folder / "scores.csv")
    table.append([ScoreRow("a", "set/p0", reference, "psnr", score) for reference, score in (("gt", 30), ("gt2", 20))])
    table.append([ScoreRow("a", "set/p0", "", "niqe", np.nan)])
    table.write(folder / "scores.csv")
    psnr, niqe = content_of([folder])["scopes"][0]["summaries"]
    assert psnr[1] == {"mean": 25.0, "interval": None, "images": 1} and niqe[1] is None


def test_each_data_set_has_statistics_of_its_own(tmp_path):
    content = content_of([write_results(tmp_path / "run", datasets=["x", "y"], images=False)])
    assert [(scope["name"], scope["images"]) for scope in content["scopes"]] == [
        ("all data sets", [0, 1, 2, 3, 4, 5]),
        ("x", [0, 1, 2]),
        ("y", [3, 4, 5]),
    ]
    whole, x, y = (scope["summaries"][0][1]["mean"] for scope in content["scopes"])
    assert whole == pytest.approx((x + y) / 2, rel=1e-5) and x != y


def test_checkpoints_of_other_images_are_not_compared(tmp_path):
    one = write_results(tmp_path / "one", labels=["a", "b"], datasets=["x"], images=False)
    two = write_results(tmp_path / "two", labels=["c"], datasets=["x", "y"], images=False)
    content = content_of([one, two])
    names = [entry["name"] for entry in content["entries"]]
    whole, x, y = content["scopes"]
    for scope, compared in ((whole, ["c"]), (x, ["a", "b", "c"]), (y, ["c"])):
        rows = [names[row] for row in scope["compared"][0] if "bicubic" not in names[row]]
        assert rows == compared and names[scope["best"][0]["row"]] == compared[-1 if scope is not x else 1]
        assert {names[row] for row in scope["fronts"]["0,1"]} <= set(compared)


def test_folders_are_joined_and_told_apart(tmp_path):
    one = write_results(tmp_path / "one", labels=["500", "net"], images=False)
    two = write_results(tmp_path / "two", labels=["500", "other"], images=False)
    same = [entry["name"] for entry in content_of([one, two, one])["entries"]]
    assert same == ["bicubic", "one 500", "net", "two 500", "other", "original"]
    three = write_results(tmp_path / "three", labels=["x"], images=False, seed=1)
    assert "three bicubic" in [entry["name"] for entry in content_of([one, three])["entries"]]  # other scores


def test_data_sets_of_one_name_that_hold_other_files_are_two(tmp_path):
    for name, digest in (("one", "1" * 16), ("two", "2" * 16), ("three", "1" * 16)):
        write_results(tmp_path / name, labels=(f"net_{name}",))
        facts = read_run(tmp_path / name)
        write_run(
            tmp_path / name, facts.model_copy(update={"datasets": {"set": DataSetFacts(images=3, digest=digest)}})
        )
    report = read_report([tmp_path / name for name in ("one", "two", "three")])
    assert report.datasets == ["set (two)", "set"] and len(report.images) == 6
    rows = {entry.name: ~np.isnan(scores) for entry, scores in zip(report.entries, report.scores[0], strict=True)}
    assert [list(rows[f"net_{name}"]) for name in ("one", "two", "three")] == [
        [False] * 3 + [True] * 3,
        [True] * 3 + [False] * 3,
        [False] * 3 + [True] * 3,
    ]
    two = next(entry for entry in report.entries if entry.name == "net_two")
    assert two.image("set (two)/p0") == tmp_path / "two/images/net_two/set/p0.png" and two.image("set/p0") is None
    assert any("set of two holds other files" in note for note in report.notes)


def test_two_variants_of_a_metric_are_two_columns(tmp_path):
    one = write_results(tmp_path / "one", images=False)
    two = write_results(tmp_path / "two", labels=["c"], images=False)
    text = (two / "scores.csv").read_text().replace('"spec": "RGB"', '"spec": "luma"')
    (two / "scores.csv").write_text(text)
    content = content_of([one, two])
    assert [(one["name"], one["spec"]) for one in content["metrics"]] == [
        ("psnr", "RGB"),
        ("niqe", "luma"),
        ("psnr (2)", "luma"),
    ]
    assert content["notes"] == [
        "psnr was computed in different ways: the columns cannot be compared; see what the numbers are"
    ]
    row = [entry["name"] for entry in content["entries"]].index("c")
    summaries = content["scopes"][0]["summaries"]
    assert summaries[0][row] is None and summaries[2][row]["mean"] > 0


def test_folders_of_one_name_get_their_parents(tmp_path):
    folders = [write_results(tmp_path / parent / "run", images=False) for parent in ("x", "y")]
    assert [source.name for source in read_report(folders).sources] == ["x/run", "y/run"]


# --- Experiments ------------------------------------------------------------------------------------------------------


def test_each_image_of_an_experiment_is_that_of_its_data_set(tmp_path):
    """Also in a folder of before: images lay there by their names alone, and two sets wrote over each other."""
    folder = write_experiment(tmp_path)
    table = ScoreTable.read(folder / "scores.csv")
    table.append(ScoreRow("100", f"other/{key}", "original", "psnr", 20.0) for key in ("p1", "p2"))
    table.write(folder / "scores.csv")
    here = folder / "visualization"
    for name in ("val/p0/p0_200", "other/p1/p1_100"):
        save(here / f"{name}.png", make_image(1, 32))
    report = read_report([folder])
    at = {entry.name: entry for entry in report.entries}
    found = {(label, name): at[label].image(name) for label in ("100", "200") for name in report.images}
    assert {key: path.relative_to(here).as_posix() for key, path in found.items() if path is not None} == {
        ("100", "val/p0"): "p0/p0_100.png",
        ("200", "val/p0"): "val/p0/p0_200.png",
        ("100", "other/p1"): "other/p1/p1_100.png",
    }
    assert "run: results of images that have the same name in two data sets are not shown" in report.notes[0]
    table.append([ScoreRow("100", "val/../p1", "original", "psnr", 20.0)])
    table.write(folder / "scores.csv")
    with pytest.raises(ValueError, match=r"scores\.csv: image: expected <data set>/<key>, got 'val/../p1'"):
        read_report([folder])
    (folder / "scores.csv").write_text((folder / "scores.csv").read_text().replace("100,val/../p1", "../100,val/p1"))
    with pytest.raises(ValueError, match=r"scores\.csv: checkpoint: expected a name below its folder.* got '\.\./100'"):
        read_report([folder])


def test_an_experiment_brings_scores_images_originals_and_history(tmp_path):
    report = read_report([write_experiment(tmp_path)])
    assert [(entry.name, entry.checkpoint.iteration) for entry in report.entries] == [
        ("bicubic", None),
        ("100", 100),
        ("200", 200),
        ("original", None),
    ]
    assert report.entries[1].image("val/p0").name == "p0_100.png"
    assert report.entries[3].image("val/p0") == tmp_path / "data" / "original" / "p0.png"
    charts = {chart.title: chart for chart in report.charts["run"]}
    assert list(charts) == [
        "Sampler: where the ground truths came from",
        "Sampler: quality of the ground truths",
        "Guard: niqe, held out",
        "Guard: musiq, optimized",
        "Guard: PSNR to the original",
    ]
    assert [curve.name for curve in charts["Sampler: where the ground truths came from"].curves] == ["original", "01"]
    held_out = charts["Guard: niqe, held out"]
    assert (held_out.unit, held_out.alarms, held_out.curves[0].iterations) == (
        "lower is better",
        [200],
        [100, 200, 300],
    )
    assert charts["Guard: musiq, optimized"].unit == "higher is better"


def test_an_evaluation_shows_the_history_of_its_training(tmp_path):
    experiment = write_experiment(tmp_path)
    folder = write_results(tmp_path / "results", images=False)
    content = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**content, "experiment": str(experiment)}))
    assert read_report([folder]).charts["results"][0].title.startswith("Sampler")


def test_a_training_and_an_evaluation_of_it_show_one_history(tmp_path):
    experiment = write_experiment(tmp_path)
    folder = write_results(tmp_path / "results", images=False)
    content = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**content, "experiment": str(experiment)}))
    assert list(read_report([folder, experiment]).charts) == ["run"]


def test_the_command_can_be_pasted(tmp_path):
    folder = write_results(tmp_path / "results", images=False)
    content = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**content, "command": ["evaluate", "my net.pth"]}))
    assert content_of([folder])["runs"][0]["details"]["command"] == "iqa-sr evaluate 'my net.pth'"


def test_without_tensorboard_the_rest_is_shown(tmp_path, monkeypatch):
    folder = write_experiment(tmp_path)

    def missing(folder):
        raise ModuleNotFoundError("tensorboard")

    monkeypatch.setattr("iqa_sr.report.experiments.read_scalars", missing)
    report = read_report([folder])
    assert len(report.entries) == 4 and not report.charts
    assert report.notes == ["run: without TensorBoard (pip install tensorboard) the training's history is not shown"]


def test_a_training_without_scores_shows_its_history(tmp_path):
    folder = write_experiment(tmp_path)
    (folder / "scores.csv").unlink()
    content = content_of([folder])
    assert content["entries"] == [] and len(content["histories"][0]["charts"]) == 5


# --- The page ---------------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_but_itself(tmp_path, capsys):
    write_results(tmp_path / "run")
    page = tmp_path / "page.html"
    assert cli(["report", str(tmp_path / "run"), "--output", str(page), "--title", "Mine & <yours>"]) == 0
    assert "; checkpoints: 2, metrics: 2, images: 3\n" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    own = text[: text.index("<script>")]  # without plotly's library, which names its website
    assert "<title>Mine &amp; &lt;yours&gt;</title>" in own
    assert not re.search(r"(src|href)=.?(https?:)?//", own) and "@import" not in own and "url(" not in own
    images = data_of(page)["images"][0]["files"]
    assert len(images) == 4 and all(image.startswith("data:image/png;base64,") for image in images)
    assert not (tmp_path / "page_files").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "run"]


def test_names_cannot_leave_the_data(tmp_path):
    label = "b'&Größe ½"  # a folder's name on every system
    folder = write_results(tmp_path / "run", labels=[label], keys=[EVIL.replace("/", "")])
    page = tmp_path / "page.html"
    assert cli(["report", str(folder), "--output", str(page)]) == 0
    data = data_of(page)
    assert data["images"][0]["name"] == "set/" + EVIL.replace("/", "")
    assert label in [entry["name"] for entry in data["entries"]]
    assert "<" not in as_script_text({"name": EVIL}) and json.loads(as_script_text({"name": EVIL})) == {"name": EVIL}
    assert json.loads(as_script_text(["\ud800"])) == ["?"]  # half a character, as in file names that are not UTF-8


def test_many_images_lie_beside_the_page(tmp_path, monkeypatch, capsys):
    folder = write_results(tmp_path / "run", labels=["a b"], keys=["p0", "ü 1"])
    monkeypatch.setattr("iqa_sr.report.images.LARGEST_INSIDE", 1000)
    page = tmp_path / "my page.html"
    command = ["report", str(folder), "--output", str(page)]
    assert cli(command) == 0
    assert "which lie in" in capsys.readouterr().out
    images = [image for one in data_of(page)["images"] for image in one["files"]]
    assert len(images) == 6 and all(image.startswith("my%20page_files/") for image in images)
    assert all((tmp_path / image.replace("%20", " ")).is_file() for image in images)
    assert cli(command) == 1 and "exists; --overwrite replaces it" in capsys.readouterr().err
    assert cli([*command, "--overwrite", "--images", "inside"]) == 0
    assert not (tmp_path / "my page_files").exists()  # made by the first report
    (tmp_path / "my page_files").mkdir()
    assert cli([*command, "--overwrite"]) == 1
    assert "exists and was not made by `iqa-sr report`" in capsys.readouterr().err


def test_formats_that_browsers_do_not_know_become_png(tmp_path):
    from iqa_sr.io.images import write_image

    folder = write_experiment(tmp_path)
    (tmp_path / "data" / "original" / "p0.png").unlink()
    write_image(tmp_path / "data" / "original" / "p0.tif", make_image(1, 32).astype("uint16") * 257)
    page = tmp_path / "page.html"
    assert cli(["report", str(folder), "--output", str(page)]) == 0
    assert data_of(page)["images"][0]["files"][3].startswith("data:image/png;base64,iVBOR")


def test_without_plotly_the_extra_is_named(tmp_path, monkeypatch, capsys):
    write_results(tmp_path / "run", images=False)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    assert cli(["report", str(tmp_path / "run"), "--output", str(tmp_path / "page.html")]) == 1
    assert 'pip install "iqa-sr[report]"' in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


# --- Bad input --------------------------------------------------------------------------------------------------------


def test_what_cannot_be_reported_is_said(tmp_path, capsys):
    write_results(tmp_path / "results" / "good", images=False)
    (tmp_path / "empty").mkdir()
    page = tmp_path / "page.html"
    for folder, text in (
        ("nowhere", "nowhere: expected a folder that `iqa-sr evaluate` or a training has written, got none"),
        (
            "empty",
            "empty: expected run.json and scores.csv of an evaluation, or scores.csv of a training, found neither",
        ),
        ("results", f"found neither; did you mean {tmp_path / 'results' / 'good'}?"),
    ):
        assert cli(["report", str(tmp_path / folder), "--output", str(page)]) == 1
        assert text in capsys.readouterr().err
    good = str(tmp_path / "results" / "good")
    assert cli(["report", good, "--output", str(tmp_path / "page.txt")]) == 1
    assert "--output: expected a file that ends in .html, got" in capsys.readouterr().err
    assert cli(["report", good, "--output", str(tmp_path / "no" / "page.html")]) == 1
    assert "no does not exist" in capsys.readouterr().err
    assert not page.exists()


def test_a_damaged_image_is_left_out_and_named(tmp_path, capsys):
    images = write_results(tmp_path / "run", labels=["a"]) / "images"
    (images / "a" / "set" / "p0.png").write_bytes(b"nothing")
    torn = images / "a" / "set" / "p1.png"
    torn.write_bytes(torn.read_bytes()[:-30])
    page = tmp_path / "page.html"
    assert cli(["report", str(tmp_path / "run"), "--output", str(page)]) == 0
    shown = capsys.readouterr().out
    assert "p0.png: not an image that can be read, or damaged" in shown and "p1.png: damaged or truncated" in shown
    data = data_of(page)
    assert [[bool(image) for image in one["files"]] for one in data["images"]] == [
        [True, False, True],
        [True, False, True],
        [True, True, True],
    ]
    assert len(data["notes"]) == 2 and data["images"][0]["size"] == [48, 32]


def test_an_evaluation_that_has_only_begun_says_so(tmp_path, capsys):
    folder = write_results(tmp_path / "run", images=False)
    ScoreTable([MetricFacts("psnr", True)]).write(folder / "scores.csv")
    assert cli(["report", str(folder), "--output", str(tmp_path / "page.html")]) == 1
    assert "nothing to report" in capsys.readouterr().err
