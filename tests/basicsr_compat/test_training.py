"""The same option files trained with an installed BasicSR and without one: the same files, bit by bit."""

import json
import shutil

import cv2
import pytest

from iqa_sr.cli.train import main
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.training.verify_resume import differences
from tests import ROOT
from tests.helpers.sr_datasets import make_image, save, write_groups, write_options
from tests.helpers.without_basicsr import without_basicsr

HALF, WHOLE = 2, 4

# Each call of `main` with the arguments of a line, in its folder; how it ended goes to stdout.
RUNS = """
import contextlib, io, json, os

from iqa_sr.cli.train import main

ended = []
for line in open("runs.jsonl"):
    folder, arguments = json.loads(line)
    os.chdir(folder)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(arguments)
    ended.append([code, said.getvalue()])
    os.chdir("..")
print(json.dumps(ended))
"""


def options(kind, network_g, **train):
    """An option file of a model that trains on pairs, with a warm-up, an average and a validation."""
    paired = {
        "type": "PairedImageDataset",
        "dataroot_gt": "../data/gt",
        "dataroot_lq": "../data/lq",
        "filename_tmpl": "{}",
        "meta_info_file": "../data/names.txt",  # BasicSR takes the files of a folder in the order of the disk
        "io_backend": {"type": "disk"},
    }
    loader = {"gt_size": 32, "use_hflip": True, "use_rot": True, "batch_size_per_gpu": 2, "num_worker_per_gpu": 0}
    adam = {"type": "Adam", "lr": 1e-3, "weight_decay": 0, "betas": [0.9, 0.99]}
    # SSIM agrees to 1e-6 only, and states hold the best scores.
    metrics = {"psnr": {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": True, "better": "higher"}}
    return {
        "name": kind,
        "model_type": kind,
        "scale": 2,
        "num_gpu": 0,
        "manual_seed": 5,
        "datasets": {"train": {"name": "train", **paired, **loader}, "val": {"name": "val", **paired}},
        "network_g": network_g,
        "path": {},
        "train": {
            "total_iter": WHOLE,
            "warmup_iter": 2,
            "ema_decay": 0.9,
            "optim_g": adam,
            "scheduler": {"type": "MultiStepLR", "milestones": [3], "gamma": 0.5},
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
            **train,
        },
        "val": {"val_freq": HALF, "save_img": True, "metrics": metrics},
        "logger": {"print_freq": 1, "save_checkpoint_freq": HALF, "use_tb_logger": False},
    }


def against(network_d, gan_type, **train):
    """Options of a GAN: what they add to a model's."""
    adam = {"type": "Adam", "lr": 1e-3, "weight_decay": 0, "betas": [0.9, 0.99]}
    gan = {"type": "GANLoss", "gan_type": gan_type, "loss_weight": 0.1}
    return network_d, {"optim_d": adam, "gan_opt": gan, **train}


RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4, "scale": 2}
RESIDUAL = {"type": "MSRResNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 2}
SWINIR = {
    "type": "SwinIR",
    "upscale": 2,
    "img_size": 16,
    "window_size": 4,
    "depths": [2],
    "embed_dim": 8,
    "num_heads": [2],
    "mlp_ratio": 2,
    "upsampler": "pixelshuffle",
    "drop_path_rate": 0.2,
}
UNET = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}
COSINE = {"type": "CosineAnnealingRestartLR", "periods": [2, 2], "restart_weights": [1, 0.5], "eta_min": 1e-6}


def files_of_models():
    """Option files by the name of their model."""
    found = {
        "SRModel": options("SRModel", RESIDUAL),
        "SwinIRModel": options("SwinIRModel", SWINIR, scheduler=COSINE),
    }
    for kind, network_g, (network_d, train) in (
        ("IQASRModel", SWINIR, against(UNET, "vanilla")),
        ("SRGANModel", RRDB, against(UNET, "lsgan", net_d_init_iters=1)),
        ("ESRGANModel", RRDB, against(UNET, "vanilla", scheduler=COSINE)),
    ):
        found[kind] = {**options(kind, network_g, **train), "network_d": network_d}
    return found


FILES = files_of_models()
LETTERS = {kind: "gd" if "network_d" in content else "g" for kind, content in FILES.items()}
EACH = pytest.mark.parametrize("kind", FILES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders `installed` and `builtin` with whole runs of each file, `*_resumed` with runs from the other one's state.

    And how the runs in the other process ended, with what they wrote to stderr.
    """
    root = tmp_path_factory.mktemp("both")
    for number in range(3):
        pixels = make_image(number, 64)
        save(root / "data" / "gt" / f"{number}.png", pixels)
        save(root / "data" / "lq" / f"{number}.png", cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_AREA))
    (root / "data" / "names.txt").write_text("".join(f"{number}.png\n" for number in range(3)))
    write_groups(root / "groups", count=2, size=64)
    for folder in ("installed", "builtin", "installed_resumed", "builtin_resumed"):
        (root / folder).mkdir()
        for kind, content in FILES.items():
            write_options(root / folder / f"{kind}.yml", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root / "installed")
        assert [main(["-opt", f"{kind}.yml"]) for kind in FILES] == [0] * len(FILES)
        begin(root, "installed", "builtin_resumed")
        runs = [["builtin", ["-opt", f"{kind}.yml"]] for kind in FILES]
        runs += [["builtin_resumed", ["-opt", f"{kind}.yml", "--auto_resume"]] for kind in FILES]
        runs += [["builtin", arguments] for arguments in (dry_run(), *unknown(root))]
        (root / "runs.jsonl").write_text("\n".join(map(json.dumps, runs)))
        ended = json.loads(without_basicsr(RUNS, root).splitlines()[-1])
        begin(root, "builtin", "installed_resumed")
        patch.chdir(root / "installed_resumed")
        assert [main(["-opt", f"{kind}.yml", "--auto_resume"]) for kind in FILES] == [0] * len(FILES)
    return root, ended


def begin(root, whole, resumed):
    """Copy what the runs of one folder had stored half way to another."""
    for kind in FILES:
        for file in names_of(kind, HALF):
            target = root / resumed / "experiments" / kind / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / whole / "experiments" / kind / file, target)


def dry_run():
    """The recipe of the README on two groups of images."""
    overrides = [f"datasets:{key}:dataroot_gt=../groups" for key in ("train", "val")]
    overrides += ["datasets:train:num_worker_per_gpu=0", "datasets:train:gt_size=32", "network_g:depths=[2]"]
    overrides += ["network_g:num_heads=[3]", "datasets:train:batch_size_per_gpu=2", "logger:use_tb_logger=false"]
    overrides += ["val:metrics={niqe: ~}", "val=~"]
    return ["-opt", str(ROOT / "options" / "swinir_amo.yml"), "--dry-run", "--force_yml", *overrides]


def unknown(root):
    """Option files that name what only an installed BasicSR has."""
    changes = {"model_type": "RealESRGANModel", "network_g": {"type": "EDVR"}}
    for key, value in changes.items():
        name = write_options(root / "builtin" / f"{key}.yml", {**FILES["SRModel"], key: value})
        yield ["-opt", name]


def stored(root, folder, kind, iteration=WHOLE):
    """What a run has stored at an iteration, by the names of the files."""
    run = root / folder / "experiments" / kind
    return {file: read_tensor_file(run / file) for file in names_of(kind, iteration)}


def names_of(kind, iteration):
    """The files of a run that a resumed one needs."""
    networks = (f"models/net_{letter}_{iteration}.pth" for letter in LETTERS[kind])
    return (f"training_states/{iteration}.state", *networks)


def differing(first, second):
    assert first.keys() == second.keys()
    return [text for file, content in first.items() for text in differences(content, second[file], file)]


@pytest.mark.basicsr
@EACH
def test_networks_and_states_are_the_same_bit_by_bit(trained, kind):
    root, ended = trained
    assert ended[list(FILES).index(kind)][0] == 0, ended[list(FILES).index(kind)][1][-2000:]
    for iteration in (HALF, WHOLE):
        assert differing(stored(root, "installed", kind, iteration), stored(root, "builtin", kind, iteration)) == []


@pytest.mark.basicsr
@pytest.mark.parametrize("folder", ["builtin_resumed", "installed_resumed"])
@EACH
def test_a_state_goes_on_with_the_other_one(trained, kind, folder):
    root, _ = trained
    assert differing(stored(root, "installed", kind), stored(root, folder, kind)) == []


@pytest.mark.basicsr
@EACH
def test_scores_best_checkpoints_and_images_are_the_same(trained, kind):
    root, _ = trained
    first, second = (root / folder / "experiments" / kind for folder in ("installed", "builtin"))
    scores = [(folder / "scores.csv").read_text().replace("BasicSR built-in", "BasicSR") for folder in (first, second)]
    assert scores[0] == scores[1]
    assert {file.name for file in first.rglob("*.pth")} == {file.name for file in second.rglob("*.pth")}
    images = sorted(file.relative_to(first) for file in first.rglob("*.png"))
    assert images and images == sorted(file.relative_to(second) for file in second.rglob("*.png"))
    for image in images:
        assert (cv2.imread(str(first / image)) == cv2.imread(str(second / image))).all()


@pytest.mark.basicsr
@EACH
def test_the_log_tells_the_same_losses(trained, kind):
    root, _ = trained

    def losses(folder):
        log = next((root / folder / "experiments" / kind).glob("*.log")).read_text()
        return [line.split("] ")[-1] for line in log.splitlines() if "[epoch:" in line]

    assert losses("installed") == losses("builtin")
    assert len(losses("builtin")) == WHOLE


@pytest.mark.basicsr
def test_the_log_says_which_one_it_was(trained):
    root, _ = trained
    for folder, told in (("builtin", True), ("installed", False)):
        log = next((root / folder / "experiments" / "SRModel").glob("*.log")).read_text()
        assert ("BasicSR built-in, torch" in log) == told


@pytest.mark.basicsr
def test_the_recipe_of_the_readme_runs_dry(trained):
    code, said = trained[1][2 * len(FILES)]
    assert code == 0, said
    assert "dry run of swinir_amo: everything was built" in said


@pytest.mark.basicsr
def test_what_only_basicsr_has_is_one_clear_error(trained):
    for (code, said), name in zip(trained[1][-2:], ("RealESRGANModel", "EDVR"), strict=True):
        assert code == 1
        needed = f"{name} is not in the part of BasicSR that comes with this package; it needs BasicSR itself"
        assert needed in said and "on Python 3.12 or older: pip install basicsr" in said
