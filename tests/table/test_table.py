"""`iqa-sr table` as it is typed: the table of a paper from its published means, in three formats."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iqa_sr.cli.main import main
from iqa_sr.scores.protocols import PROTOCOLS
from iqa_sr.scores.score_table import MetricFacts, ScoreRow, ScoreTable
from tests.helpers.paper_tables import HIGHER, write_means
from tests.helpers.result_folders import write_experiment, write_results
from tests.helpers.sr_datasets import make_image, save

# Rows of Zhang et al., CVPR 2025.
PAPER = {
    "SwinIR-UPos": (22.30, 0.647, 0.169, 66.39, 0.62),
    "SwinIR-AMO": (22.08, 0.641, 0.167, 68.08, 0.66),
    "SwinIR-AMO_FT": (21.77, 0.624, 0.174, 70.81, 0.70),
}
GOLD = {"musiq": 69.64, "topiq_nr": 0.69}
FOLDERS = [f"results/{name}" for name in PAPER]


@pytest.fixture
def results(empty_folder):
    """A result folder for each row, of one checkpoint each."""
    for name, means in PAPER.items():
        write_means(Path("results") / name, {"300000": dict(zip(HIGHER, means, strict=True))}, gold=GOLD)


def shown(capsys, *args):
    assert main(["table", *args]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys, *args):
    assert main(["table", *args]) == 1
    text = capsys.readouterr().err
    assert text.startswith("error: ") and len(text.splitlines()) <= 5
    return text


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


# --- Formats ----------------------------------------------------------------------------------------------------------


def test_the_paper_s_table_in_markdown(results, capsys):
    lines = shown(capsys, *FOLDERS, "--protocol", "paper").splitlines()
    assert [cells(line) for line in lines[:6] if "---" not in line] == [
        ["Method", "PSNR ↑", "SSIM ↑", "LPIPS ↓", "MUSIQ ↑", "TOPIQ ↑"],
        ["SwinIR-UPos", "**22.30**", "**0.647**", "<u>0.169</u>", "66.39", "0.62"],
        ["SwinIR-AMO", "<u>22.08</u>", "<u>0.641</u>", "**0.167**", "<u>68.08</u>", "<u>0.66</u>"],
        ["SwinIR-AMO\\_FT", "21.77", "0.624", "0.174", "**70.81**", "**0.70**"],
        ["Gold standard", "-", "-", "-", "69.64", "0.69"],
    ]
    notes = "\n".join(lines[6:])
    assert "Means over 2 images of Test-100; protocol paper: Zhang et al." in notes
    assert "SSIM is ssimc-basicsr" in notes and "stlpips, dists, nima, qalign: of the protocol, without" in notes


def test_the_same_in_latex(results, capsys):
    lines = shown(capsys, *FOLDERS, "--protocol", "paper", "--format", "latex").splitlines()
    table = [line for line in lines if not line.startswith("%")]
    arrows = r"PSNR $\uparrow$ & SSIM $\uparrow$ & LPIPS $\downarrow$ & MUSIQ $\uparrow$ & TOPIQ $\uparrow$"
    assert table == [
        r"\begin{tabular}{lrrrrr}",
        r"\toprule",
        rf"Method & {arrows} \\",
        r"\midrule",
        r"SwinIR-UPos & \textbf{22.30} & \textbf{0.647} & \underline{0.169} & 66.39 & 0.62 \\",
        r"SwinIR-AMO & \underline{22.08} & \underline{0.641} & \textbf{0.167} & \underline{68.08} & "
        r"\underline{0.66} \\",
        r"SwinIR-AMO\_FT & 21.77 & 0.624 & 0.174 & \textbf{70.81} & \textbf{0.70} \\",
        r"Gold standard & - & - & - & 69.64 & 0.69 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert lines[0] == r"% needs \usepackage{booktabs}"


def test_csv_is_plain_and_its_notes_go_elsewhere(results, capsys, monkeypatch):
    monkeypatch.setitem(PROTOCOLS, "paper", replace(PROTOCOLS["paper"], left_out={"FID": "of a whole set"}))
    assert main(["table", *FOLDERS, "--protocol", "paper", "--output", "paper.csv"]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.reader(io.StringIO(Path("paper.csv").read_text(encoding="utf-8"))))
    assert rows[0] == ["data set", "checkpoint", *HIGHER]
    assert rows[3] == ["Test-100", "SwinIR-AMO_FT", "21.77", "0.624", "0.174", "70.81", "0.70"]
    assert rows[4] == ["Test-100", "gold-standard", "", "", "", "69.64", "0.69"]
    assert out == "wrote paper.csv (csv); rows: 3, columns: 5\n" and "note: FID is left out: of a whole set." in err


def test_names_are_text_in_every_format(empty_folder, capsys):
    evil = "a_b*<b>&|%$#{x}~^[1](y)`"
    table = ScoreTable([MetricFacts("psnr", True)])
    table.append([ScoreRow(name, "p0", "", "psnr", score) for name, score in ((evil, 30.0), ("two", 29.0))])
    table.write("scores.csv")
    line = shown(capsys, "scores.csv").splitlines()[2]
    assert line == r"| a\_b\*\<b\>\&\|%$#{x}\~^\[1\](y)\` | **30.00** |"
    lines = shown(capsys, "scores.csv", "--format", "latex").splitlines()
    name = r"a\_b*\textless{}b\textgreater{}\&\textbar{}\%\$\#\{x\}\textasciitilde{}\textasciicircum{}[1](y)`"
    assert name + r" & \textbf{30.00} \\" in lines
    rows = list(csv.reader(io.StringIO(shown(capsys, "scores.csv", "--format", "csv"))))
    assert rows[1] == ["", evil, "30.00"]


# --- Rows and columns -------------------------------------------------------------------------------------------------


def test_each_data_set_has_its_own_rows_and_its_own_best(empty_folder, capsys):
    folder = write_results(Path("results/run"), labels=("a", "b"), datasets=("Set5", "Set14"), images=False)
    lines = [cells(line) for line in shown(capsys, str(folder)).splitlines()[2:6]]
    table = ScoreTable.read(folder / "scores.csv")
    for dataset, label, psnr, niqe in lines:
        values = {"psnr": [], "niqe": []}
        for row in table.rows:
            if row.checkpoint == label and row.image.startswith(f"{dataset}/"):
                values[row.metric].append(row.score)
        first, second = "<u>{}</u>", "**{}**"  # b is the better one in PSNR, the worse in NIQE
        texts = [f"{sum(values['psnr']) / 3:.2f}", f"{sum(values['niqe']) / 3:.4f}"]
        patterns = (first, second) if label == "a" else (second, first)
        assert [psnr, niqe] == [pattern.format(text) for pattern, text in zip(patterns, texts, strict=True)]
    assert [line[:2] for line in lines] == [["Set5", "a"], ["Set5", "b"], ["Set14", "a"], ["Set14", "b"]]


def test_a_folder_of_several_checkpoints_keeps_their_names(results, capsys):
    write_means(Path("results/more"), {"1000": {"psnr": 20.0}, "2000": {"psnr": 23.0}})
    lines = shown(capsys, FOLDERS[0], "results/more", "--metric", "psnr").splitlines()[2:5]
    assert [cells(line)[0] for line in lines] == ["SwinIR-UPos", "more/1000", "more/2000"]
    lines = shown(capsys, FOLDERS[0], "results/more", "--metric", "psnr", "--exclude", "more/1000").splitlines()[2:4]
    assert [cells(line) for line in lines] == [["SwinIR-UPos", "<u>22.30</u>"], ["more", "**23.00**"]]


def test_the_baseline_is_a_row_where_it_is_asked_for(empty_folder, capsys):
    for name in ("one", "two"):
        write_results(Path(name), labels=("a",), images=False)
    lines = shown(capsys, "one", "two", "--baseline", "--metric", "psnr").splitlines()
    mean = ScoreTable.read("one/scores.csv").mean("bicubic", "psnr")
    assert [cells(line)[0] for line in lines[2:5]] == ["bicubic", "one", "two"]
    assert cells(lines[2])[1] == f"<u>{mean:.2f}</u>", "the others look equal, and are better"
    assert "bicubic" not in shown(capsys, "one", "two", "--metric", "psnr")
    write_means(Path("without"), {"a": {"psnr": 30.0}})
    text = refused(capsys, "without", "--baseline")
    assert "--baseline: expected scores of bicubic or input, got none; evaluate without --no-baseline" in text


def test_ready_made_images_get_their_rows_from_tables_of_scores(empty_folder, capsys):
    for name, level in (("near", 2), ("far", 5)):
        for number in range(2):
            image = make_image(number, 32)
            save(f"HR/p{number}.png", image)
            save(f"{name}/p{number}.png", np.clip(image.astype(int) + level, 0, 255).astype(np.uint8))
        assert main(["score", name, "--reference", "HR", "--metric", "psnr", "--output", f"{name}.csv"]) == 0
    capsys.readouterr()
    lines = shown(capsys, "near.csv", "far.csv").splitlines()
    means = [ScoreTable.read(f"{name}.csv").mean("", "psnr") for name in ("near", "far")]
    assert means[0] > means[1] + 1
    assert [cells(line) for line in lines[2:4]] == [
        ["near", f"**{means[0]:.2f}**"],
        ["far", f"<u>{means[1]:.2f}</u>"],
    ]


def test_the_score_of_a_challenge_is_a_column(empty_folder, capsys):
    """By hand: 1 - 0.25 + 1 - 0.15 + 0.7 + 0.4 + 0.65 + max(0, (10 - 9) / 10) = 3.45."""
    means = {"lpips": 0.25, "dists": 0.15, "clipiqa": 0.7, "maniqa": 0.4, "musiq": 65.0, "niqe": 9.0}
    facts = {name: name in ("clipiqa", "maniqa", "musiq") for name in means}
    worse = {**means, "niqe": 12.0}
    settings = {"border": 0, "against": "original"}
    write_means(Path("run"), {"a": means, "b": worse}, facts=facts, settings=settings)
    lines = shown(capsys, "run", "--protocol", "ntire2026").splitlines()
    assert cells(lines[0])[-1] == "ntire2026 score ↑"
    assert [cells(line)[-1] for line in lines[2:4]] == ["**3.4500**", "<u>3.3500</u>"]


def test_metrics_on_top_of_a_protocol(results, capsys):
    heading = cells(shown(capsys, *FOLDERS, "--protocol", "hggt-test100", "--metric", "MUSIQ").splitlines()[0])
    assert heading == ["Method", "PSNR ↑", "SSIM ↑", "LPIPS ↓", "MUSIQ ↑"]


def test_an_experiment_s_validation_is_a_table_whose_rules_nobody_checked(empty_folder, capsys):
    folder = write_experiment(empty_folder)
    (folder / "models").mkdir()
    for label in ("100", "200"):
        (folder / "models" / f"net_g_{label}.pth").write_bytes(b"x")
    lines = shown(capsys, str(folder), "--protocol", "paper").splitlines()
    assert [cells(line) for line in lines[2:4]] == [["100", "<u>29.00</u>"], ["200", "**30.00**"]]
    assert "Not all scores are of result folders" in lines[-1] and "2 images of val" in "".join(lines)


# --- Errors -----------------------------------------------------------------------------------------------------------


def test_scores_by_other_rules_than_the_protocol_s_are_refused(results, capsys):
    text = refused(capsys, *FOLDERS, "--protocol", "realsr-dm")
    assert "--protocol realsr-dm: expected scores with 0 px of each border cut, against original; " in text
    assert "results/SwinIR-UPos has 4 px, against positives.\nEvaluate into another folder with --protocol" in text
    write_means(Path("two"), {"a": {"psnr": 30.0}}, scale=2)
    assert "--protocol paper is defined for x4, two is x2" in refused(capsys, "two", "--protocol", "paper")
    text = refused(capsys, "two", "--protocol", "sr-classic")
    assert "expected scores with 2 px of each border cut, against original; two has 4 px" in text


def test_what_cannot_be_compared_is_refused(results, capsys):
    write_means(Path("less"), {"a": {"psnr": 30.0}})
    text = refused(capsys, FOLDERS[0], "less")
    assert "less/a lacks scores of ssimc-basicsr on 2 of 2 images" in text and "--common takes the images" in text
    write_means(Path("other/x"), {"a": {"psnr": 30.0}}, digest="1")
    write_means(Path("other/y"), {"a": {"psnr": 30.0}}, digest="2")
    assert "holds scores of another data set Test-100" in refused(capsys, "other/x", "other/y")


def test_wrong_names_have_the_nearest_ones(results, capsys):
    assert "--protocol: there is no protocol 'papre'; did you mean paper?" in refused(
        capsys, FOLDERS[0], "--protocol", "papre"
    )
    assert "--metric: there are no scores of 'msuiq'; did you mean musiq?" in refused(
        capsys, FOLDERS[0], "--metric", "msuiq"
    )
    text = refused(capsys, FOLDERS[0], "--exclude", "3000")
    assert "there is no checkpoint '3000'; did you mean 300000?" in text
    assert "no checkpoint for a row; found" in refused(capsys, FOLDERS[0], "--exclude", "300000")
    assert "nowhere does not exist; expected an experiment" in refused(capsys, "nowhere")
    write_means(Path("other"), {"a": {"niqe": 4.0}}, facts={"niqe": False})
    text = refused(capsys, "other", "--protocol", "hggt-test100")
    assert "expected scores of psnr, ssimc-basicsr, lpips, dists, got none of them; there are niqe." in text


def test_files_are_kept_unless_they_are_to_be_replaced(results, capsys):
    assert main(["table", *FOLDERS, "--output", "paper.tex"]) == 0
    before = Path("paper.tex").read_text(encoding="utf-8")
    assert before.count("tabular") == 2
    assert "--output: paper.tex exists; --overwrite replaces it" in refused(capsys, FOLDERS[0], "--output", "paper.tex")
    assert Path("paper.tex").read_text(encoding="utf-8") == before
    assert main(["table", FOLDERS[0], "--output", "paper.tex", "--overwrite"]) == 0
    assert Path("paper.tex").read_text(encoding="utf-8") != before
    assert "expected a file that ends in .md (markdown), .tex" in refused(capsys, FOLDERS[0], "--output", "paper.txt")
    assert main(["table", FOLDERS[0], "--output", "paper.txt", "--format", "markdown"]) == 0
    assert "the folder missing does not exist" in refused(capsys, FOLDERS[0], "--output", "missing/paper.md")


@pytest.fixture
def ready_made(empty_folder):
    """Images of two methods, each with names of its own, and their references."""
    for number, name in enumerate("xy"):
        save(f"HR/{name}.png", make_image(number, 48))
        for method, strength in (("A", 3), ("B", 20)):
            noise = np.random.default_rng(number).normal(0, strength, (48, 48, 3))
            image = np.clip(make_image(number, 48) + noise, 0, 255).astype(np.uint8)
            save(f"{method}/{name}_{method}_x4.png", image)


def score(method, *args, reference="HR"):
    suffix = ["--suffix", f"_{method}_x4"] if reference == "HR" else []
    table = ["--metric", "psnr,jod-lite", "--output", f"{method}.csv", "--quiet"]
    return main(["score", method, "--reference", reference, *suffix, *table, *args])


def test_methods_that_name_their_images_otherwise_are_in_one_table(ready_made, capsys):
    assert (score("A"), score("B")) == (0, 0)
    capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(shown(capsys, "A.csv", "B.csv", "--format", "csv"))))
    assert [row["checkpoint"] for row in rows] == ["A", "B"]
    psnr = [float(row["psnr"]) for row in rows]
    assert 36 < psnr[0] < 41 and 20 < psnr[1] < 25


def test_scores_against_two_folders_of_references_have_no_mean(ready_made, capsys):
    for name in "xy":
        save(f"other/{name}_A_x4.png", make_image(9, 48))
    assert (score("A"), score("A", reference="other")) == (0, 0)
    capsys.readouterr()
    text = refused(capsys, "A.csv")
    assert "scores of psnr for x_A_x4.png are against references in " in text and "their mean is no score" in text


def test_a_table_of_scores_with_another_border_is_refused_by_a_protocol(ready_made, capsys):
    assert score("A", "--border", "2") == 0
    capsys.readouterr()
    text = refused(capsys, "A.csv", "--protocol", "paper")
    assert "expected scores with 4 px of each border cut, those of psnr have 2" in text
