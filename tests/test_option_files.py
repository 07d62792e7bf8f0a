"""Every option file of the repository is built and runs one step, on fixture data and with synthetic weights."""

from pathlib import Path

import pytest

from iqa_sr.cli import main as cli
from iqa_sr.metrics import metric_info
from iqa_sr.train_command import main
from tests.fixture_data import picture, save, write_groups, write_labels

OPTIONS = Path(__file__).parent.parent / "options"
HGGT = sorted(path for path in (OPTIONS / "hggt").glob("*.yml") if path.name.split("_")[0] in ("swinir", "rrdb"))
# What the recipes' losses, judges and validation metrics are made of.
METRICS = ("lpips", "stlpips", "dists", "musiq", "nima", "topiq_nr")


@pytest.fixture(scope="module")
def weights(synthetic):
    """Synthetic files for all that the recipes name."""
    files = [file for name in METRICS for file in metric_info(name).weights]
    with synthetic("vgg16-397923af.pth", "vgg19-dcbb9e9d.pth", *files):
        yield


@pytest.fixture(scope="module")
def hggt(tmp_path_factory):
    """Two groups in HGGT's published layout with labels, and the test set with its ready LQ files."""
    root = tmp_path_factory.mktemp("hggt")
    versions = ("01", "02", "03", "04")
    for data, part in (("Train", "images/0-20193"), ("Test/GT/Test-100", "images")):
        write_groups(root / data / part, count=2, size=288, versions=versions)
        labels = {f"p{number}": {"01": "PPS", "02": "NNN", "03": "PSN", "04": "PPP"} for number in range(2)}
        write_labels(root / data / part.replace("images", "labels"), labels)
    for number in range(2):
        lq = picture(number, 72)
        save(root / "Test/Blind_Degradation_Benchmark_LQ/Test-100/Blind_LR" / f"p{number}.png", lq)
    return root


@pytest.mark.parametrize("file", HGGT, ids=lambda path: path.stem)
def test_a_dry_run_of_each_recipe(file, weights, hggt, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    forced = [
        f"datasets:train:dataroot_gt={hggt / 'Train'}",
        f"datasets:val:dataroot_gt={hggt / 'Test/GT/Test-100'}",
        f"datasets:val:dataroot_lq={hggt / 'Test/Blind_Degradation_Benchmark_LQ/Test-100/Blind_LR'}",
        "datasets:train:batch_size_per_gpu=1",
        "datasets:train:num_worker_per_gpu=0",
        "datasets:train:gt_size=64",
    ]
    if "_sm" in file.stem:
        assert cli(["score", str(hggt / "Train"), "--metric", "musiq", "--output", "scores.csv"]) == 0
        forced.append("datasets:train:sampler:scores=scores.csv")
    assert main(["-opt", str(file), "--dry-run", "--force_yml", *forced]) == 0
    shown = capsys.readouterr().err
    assert f"dry run of hggt_{file.stem}: everything was built, nothing was written" in shown
    expected = "net_g: 11,900,199 parameters" if "swinir" in file.stem else "net_g: 16,697,987 parameters"
    assert expected in shown
    for term in ("l_pix", "l_percep", "l_g_gan", "l_d_real", "l_d_fake"):
        assert term in shown
    assert not Path("experiments").exists() and not Path("tb_logger").exists()


def test_the_recipes_are_those_of_the_paper():
    names = {f"{net}_{row}" for net in ("swinir", "rrdb") for row in ("origs", "rand", "upos", "sma", "smp", "amo")}
    assert {path.stem for path in HGGT} == names | {"swinir_upos_vgg19"}


def test_the_sample_run_makes_its_data_and_trains(tmp_path, monkeypatch, capsys):
    """options/swinir_amo.yml in an empty folder, four iterations."""
    monkeypatch.chdir(tmp_path)
    forced = ["train:total_iter=4", "val:val_freq=4", "logger:save_checkpoint_freq=4", "logger:print_freq=2"]
    forced.append("datasets:train:num_worker_per_gpu=0")
    assert main(["-opt", str(OPTIONS / "swinir_amo.yml"), "--force_yml", *forced]) == 0
    assert len(list(Path("datasets/sample/train/04").glob("*.png"))) >= 50
    assert Path("experiments/swinir_amo/models/net_g_best_rankiqa-lite.pth").exists()
    shown = capsys.readouterr().err
    for metric in ("rankiqa-lite", "niqe", "psnr", "psnr_nearest"):
        assert f"  {metric}: bicubic" in shown
