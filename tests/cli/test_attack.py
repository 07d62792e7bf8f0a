"""`iqa-sr attack`: its table, what it writes, and what it refuses."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from iqa_sr.attacks import output
from iqa_sr.attacks.records import SHIPPED, read_records
from iqa_sr.cli.main import main
from iqa_sr.cli.metrics import robustness_markdown
from iqa_sr.io.images import read_image
from iqa_sr.metrics.registry import metric_info
from tests import ROOT
from tests.helpers.sr_datasets import make_image, save

QUICK = ["--size", "32", "--steps", "3", "--restarts", "1", "--queries", "5", "--epsilon", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("attack")
    for number in range(2):
        whole = make_image(number, 72)
        save(root / "HR" / f"p{number}.png", whole)
        save(root / "SR" / f"p{number}.png", np.roll(whole // 4 * 4, 1, 0)[: 72 - 3 * number])
    return root


def test_the_table_and_everything_that_is_written(folder, capsys):
    files = ["--csv", str(folder / "a.csv"), "--save", str(folder / "seen"), "--record", str(folder / "record.json")]
    images = ["--images", str(folder / "HR")]
    assert main(["attack", "PSNR", "ssim", *images, *QUICK, *files, "--attacks", "fgsm,apgd,apgd-l2,tile,square"]) == 0
    shown = capsys.readouterr().out
    assert (
        "psnr: originals better by" in shown and "than bicubic x2" in shown and "signs of masked gradients: " in shown
    )
    assert "JOD >= 9.99 to the start, mean of 2 images of 32 px" in shown
    with open(folder / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    bounds = {(row["attack"], row["bound"]) for row in rows}
    tiles = {("tile", f"rms 0.5, {side} px") for side in (8, 16, 32)}
    assert (
        bounds == {*((name, "4") for name in ("fgsm", "apgd", "square")), ("apgd-l2", "rms 4"), *tiles}
        and len(rows) == 2 * 2 * 7
    )
    for row in rows:
        assert float(row["gain"]) == pytest.approx(float(row["after"]) - float(row["before"]), abs=1e-3)
        assert float(row["unseen_gain"]) >= 0 and float(row["rms_levels"]) <= 4
    raised = [float(row["gain"]) for row in rows if row["metric"] == "psnr" and row["attack"].startswith("apgd")]
    assert min(raised) > 0
    sheet = read_image(folder / "seen" / "psnr" / "apgd 4" / "p1_png.png")
    assert sheet.shape == (32, 96, 3) and abs(sheet[:, 32:64].astype(int) - sheet[:, :32]).max() == 4
    records = read_records(folder / "record.json")
    assert set(records) == {"psnr", "ssim"} and records["psnr"].images == "2 of 32 px, bicubic x2"
    assert f"{records['psnr'].summary.robustness:.2f}" in shown
    assert records["psnr"].summary.unseen == pytest.approx(_best_unseen(rows, "psnr"), rel=1e-4)


def _best_unseen(rows, metric):
    best = {}
    for row in rows:
        if row["metric"] == metric:
            best[row["image"]] = max(best.get(row["image"], 0), float(row["unseen_gain"]))
    return sum(best.values()) / len(best)


def test_given_results_are_attacked_and_an_interruption_leaves_what_was_measured(folder, capsys, monkeypatch):
    def interrupted(path, outcome, names, write=output.write_rows):
        write(path, outcome, names)
        if outcome.attack == "apgd":
            raise KeyboardInterrupt

    monkeypatch.setattr(output, "write_rows", interrupted)
    command = ["attack", "ssim", "--images", str(folder / "HR"), "--results", str(folder / "SR"), *QUICK]
    assert main([*command, "--attacks", "apgd,tile,fgsm", "--csv", str(folder / "b.csv")]) == 130
    shown = capsys.readouterr().out
    assert (
        "ssim: originals better by" in shown and "than --results" in shown and "apgd" in shown and "tile" not in shown
    )
    assert len(Path(folder / "b.csv").read_text().splitlines()) == 5


def test_what_cannot_be_measured_is_refused(folder, capsys, tmp_path):
    images = ["--images", str(folder / "HR")]
    save(tmp_path / "p0.png", make_image(0, 48))
    empty = tmp_path / "empty"
    empty.mkdir()
    for args, text in (
        (["niqe", "--size", "64"], "--size: niqe needs at least 192 px, got 64"),
        (["nique"], "there is no metric 'nique'; did you mean niqe"),
        (["psnr", "--attacks", "apgt"], "--attacks: there is no attack 'apgt'; did you mean apgd"),
        (["psnr", "--attacks", ","], "--attacks: expected names separated by commas, got none; they are fgsm, i-fgsm"),
        (["psnr", "--epsilon", "0.5"], "within a bound of linf 0.5: expected at least 1 level"),
        (
            ["psnr", "--epsilon", "0", "--attacks", "apgd-l2"],
            "--epsilon: apgd-l2 within a bound of rms 0.0: expected more",
        ),
        (["psnr", "--size", "64", "--limit", "1", "--attacks", "tile"], "tile cannot be made on psnr"),
        (["psnr", "--images", str(tmp_path / "none")], "does not exist"),
        (["psnr", "--images", str(empty)], "--images: "),
        (["psnr", "--jod", "10"], "--jod: expected a number between 0 and 10"),
        (["psnr", "--steps", "0"], "--steps: expected at least 1, got 0"),
        (["psnr", "--size", "128"], "2 of 2 images"),
        (["psnr", "--size", "48", "--results", str(tmp_path)], "and its original p0.png differ in size"),
        (["psnr", "--size", "48", "--results", str(ROOT / "docs")], "holds no result of p0.png"),
    ):
        assert main(["attack", *images, *args]) == 1
        assert text in capsys.readouterr().err, args
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ValueError, match="expected a file that `iqa-sr attack --record` writes"):
        read_records(tmp_path / "list.json")


def test_the_shipped_measurements_are_shown(capsys):
    document = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert robustness_markdown() in document
    assert main(["metrics"]) == 0
    shown = capsys.readouterr().out
    records = read_records()
    line = next(line for line in shown.splitlines() if line.startswith("jod-lite"))
    summary = records["jod-lite"].summary
    assert summary.of_gap(summary.unseen) in line
    assert json.loads(SHIPPED.read_text(encoding="utf-8")).keys() == records.keys()
    assert [name for name, record in records.items() if record.spec != metric_info(name).spec] == []


def test_one_image_has_no_tile_and_an_rms_may_be_below_a_level(folder, capsys):
    args = ["--images", str(folder / "HR"), *QUICK, "--limit", "1", "--epsilon", "0.5", "--attacks", "apgd-l2,tile"]
    assert main(["attack", "psnr", *args]) == 0
    shown = capsys.readouterr().out
    assert "rms 0.5" in shown and "tile" not in shown and "not looked for without apgd" in shown
