"""`iqa-sr score --set`: two folders as sets, with synthetic Inception weights."""

import json

import pytest

from iqa_sr.cli.main import main
from iqa_sr.io.images import write_image
from iqa_sr.set_metrics import clip
from iqa_sr.set_metrics.inception import WEIGHTS
from tests.helpers.golden_images import photo
from tests.helpers.result_folders import write_results


@pytest.fixture(scope="module")
def folders(synthetic, tmp_path_factory):
    """`sr` and `hr` with four images each, and the weights."""
    root = tmp_path_factory.mktemp("sets")
    for index in range(4):
        image = (photo("astronaut", 40 * index, 30 * index, 32, 48) * 255).byte().permute(1, 2, 0).numpy()
        write_image(root / "hr" / f"{index}.png", image)
        write_image(root / "sr" / f"{index}.png", image // 2)
    with synthetic(WEIGHTS, clip.WEIGHTS), pytest.MonkeyPatch.context() as patch:
        patch.setenv("IQA_SR_CACHE", str(root / "cache"))
        patch.chdir(root)
        yield root


def test_a_table_the_spec_a_warning_and_a_file(folders, capsys, caplog):
    assert main(["score", "sr", "--set", "fid,kid", "--reference", "hr", "--output", "sets.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("set metric") and "fid down" in out and "down: lower is better" in out
    assert "kid: 8-bit RGB, TensorFlow 1's bilinear resizing to 299 px" in out and out.count("; whole images") == 2
    assert "fid of 4 images, fewer than 1000: its 95 % interval is" in caplog.text
    content = json.loads((folders / "sets.json").read_text())
    fid, kid = content["sets"]
    assert (fid["metric"], fid["images"], fid["paired"], fid["higher_is_better"]) == ("fid", [4, 4], True, False)
    assert fid["interval"][0] < fid["value"] < fid["interval"][1] and kid["images"] == [4, 4]
    assert len(list((folders / "cache").rglob("*.npy"))) == 8


def test_a_set_against_itself_has_distance_zero_and_computes_nothing_anew(folders, capsys):
    main(["score", "hr", "--set", "fid", "--reference", "hr"])  # features are there now, whatever ran before
    kept = {path: path.stat().st_mtime_ns for path in (folders / "cache").rglob("*.npy")}
    assert main(["score", "hr", "--set", "fid", "--reference", "hr", "--output", "same.json"]) == 0
    assert json.loads((folders / "same.json").read_text())["sets"][0]["value"] == pytest.approx(0, abs=1e-6)
    assert {path: path.stat().st_mtime_ns for path in (folders / "cache").rglob("*.npy")} == kept


def test_patches_and_images_that_are_left_out(folders, capsys, tmp_path):
    for name in ("0.png", "1.png"):
        (tmp_path / name).write_bytes((folders / "sr" / name).read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no image")
    assert main(["score", str(tmp_path), "--set", "kid", "--reference", "hr", "--patches", "24"]) == 1
    printed = capsys.readouterr()
    assert "patches of 24x24 px, grid without overlap" in printed.out
    assert "not used:" in printed.err and "broken.png" in printed.err


def test_metrics_of_two_networks_keep_their_features_apart(folders, capsys):
    arguments = ["score", "sr", "--set", "cmmd,fid", "--reference", "hr", "--patches", "32+16", "--output", "two.json"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "cmmd: 8-bit RGB, central square, Pillow's bicubic resizing to 336 px" in out
    assert out.count("grid without overlap and a second one, shifted by 16 px, of all that fit") == 2
    cmmd, fid = json.loads((folders / "two.json").read_text())["sets"]
    assert (cmmd["metric"], fid["metric"]) == ("cmmd", "fid")
    assert all(f"; {file} sha256 " in one["spec"] for file, one in ((clip.WEIGHTS, cmmd), (WEIGHTS, fid)))
    # Of 32 x 48 px: one patch, and none of the second grid fits.
    assert cmmd["rows"] == fid["rows"] == [4, 4] and cmmd["images"] == [4, 4]
    assert 0 < cmmd["value"] < 39.7 and fid["value"] > 0  # no two sets of unit length are farther apart
    kept = [path.relative_to(folders / "cache").parts[1] for path in (folders / "cache").rglob("*-patches32+16.npy")]
    assert sorted({name.partition("-")[0]: kept.count(name) for name in kept}.items()) == [
        ("crop", 8),
        ("tensorflow", 8),
    ]


def test_a_result_folder_is_compared_with_the_originals_in_it(folders, capsys, tmp_path):
    results = write_results(tmp_path / "run")
    assert main(["score", str(results), "--set", "fid", "--output", str(tmp_path / "sets.json")]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:3] for line in out.splitlines()[1:4]] == [
        [f"{label},", "set:", "fid"] for label in ("bicubic", "a", "b")
    ]
    found = json.loads((tmp_path / "sets.json").read_text())["sets"]
    assert [(one["checkpoint"], one["dataset"], one["images"]) for one in found] == [
        (label, "set", [3, 3]) for label in ("bicubic", "a", "b")
    ]
    assert found[0]["interval"] == [None, None]  # of three images
    assert main(["score", str(results), "--set", "fid", "--reference", "hr"]) != 0
    assert "is a result folder, which holds originals and all checkpoints; leave out --ref" in capsys.readouterr().err
    (tmp_path / "run" / "images" / "original").rename(tmp_path / "elsewhere")
    assert main(["score", str(results), "--set", "fid"]) != 0
    assert "expected images of checkpoints with originals in" in capsys.readouterr().err


def test_the_weights_are_listed_with_who_uses_them_and_pulled_by_the_metrics_name(folders, capsys):
    main(["weights", "list", "--json"])
    facts = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert facts[WEIGHTS]["metrics"] == ["fid", "fid-clean", "kid", "kid-clean"]
    assert facts[clip.WEIGHTS]["metrics"] == ["cmmd"]
    assert main(["weights", "pull", "KID", "cmmd"]) == 0
    out = capsys.readouterr().out
    assert f"{WEIGHTS}: was there already" in out and f"{clip.WEIGHTS}: was there already" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--set", "fid"], "compare two folders; name that of the references with --reference DIR"),
        (["--set", "fid", "--reference", "hr/0.png"], "expected a folder of images, got a file"),
        (["--set", "fid", "--reference", "nowhere"], "the folder nowhere does not exist"),
        (["--set", "fidd", "--reference", "hr"], "--set: no metric of sets is called 'fidd'; did you mean fid"),
        (["--set", "psnr", "--reference", "hr"], "--set: psnr scores single images; it belongs to --metric"),
        (["--set", "kid@32", "--reference", "hr"], "--set: kid@32 is called by --set kid --patches 32"),
        (["--set", "fid", "--reference", "hr", "--output", "a.csv"], "expected a file that ends in .json with --set"),
        (["--set", "fid", "--reference", "hr", "--patches", "64"], "expected two images or more that can be used"),
        (["--set", "fid", "--reference", "hr", "--patches", "hifi"], "--patches: expected a side in px (256), a side"),
        (["--metric", "psnr", "--reference", "hr", "--patches", "64"], "--patches: cuts images for --set"),
        (["--metric", "psnr", "--set", "fid"], "not allowed with argument"),
        ([], "nothing to score by: name metrics"),
    ],
)
def test_what_does_not_go_is_said(folders, capsys, caplog, arguments, text):
    try:
        code = main(["score", "sr", *arguments])
    except SystemExit as end:
        code = end.code
    assert code != 0
    printed = capsys.readouterr()
    assert text in printed.err + printed.out + caplog.text
