"""A-FINE's three stages at toy size, one after the other, on data in the published layouts; its loss and its files."""

import copy
import json
import math
import runpy
import sys
import textwrap
from collections import defaultdict
from pathlib import Path

import pytest
import torch
import yaml
from torch.utils.data import default_collate

from iqa_sr import plugin
from iqa_sr.archs.afine_arch import AFINENetwork
from iqa_sr.basicsr_compat import build_dataset
from iqa_sr.cli.main import main as cli
from iqa_sr.cli.train import main
from iqa_sr.errors import OptionError
from iqa_sr.io.tensor_files import read_tensor_file
from iqa_sr.losses.fidelity_loss import fidelity_loss, preference_probability
from iqa_sr.metrics import create_metric
from iqa_sr.objectives.afine import AFINEObjective, AFINEOptions
from iqa_sr.objectives.afine_network import TrainableAFINE, published_parts
from iqa_sr.training.verify_resume import differences
from tests import ROOT
from tests.helpers.golden_images import golden
from tests.helpers.triplet_datasets import write_diffiqa, write_kadid
from tests.helpers.two_processes import two_processes
from tests.synthetic.clipiqa import FACTS, scripted

TOY = {"width": 64, "layers": 2}
ITERATIONS = {1: 100, 2: 40, 3: 40}
RATES = {1: 1e-3, 2: 5e-2, 3: 2e-2}
LOCAL = {"diffiqa": "DiffIQA", "kadid": "kadid10k"}


def sources(root, part, *layouts):
    return [
        {"triplets": str(root / layout / f"{part}.txt"), "dataroot": str(root / LOCAL[layout])} for layout in layouts
    ]


def options(root, stage, layouts, name=None, **changes):
    """Options of a toy run; `changes` maps `a__b__c` to values."""
    train = {
        "name": "train",
        "type": "TripletDataset",
        "sources": sources(root, "train", *layouts),
        "crop": 64,
        "batch_size_per_gpu": 8,
        "num_worker_per_gpu": 0,
        "dataset_enlarge_ratio": 4,
    }
    found = {
        "name": name or f"stage{stage}",
        "model_type": "QualityModel",
        "num_gpu": 0,
        "manual_seed": 3,
        "datasets": {
            "train": train,
            "val": {"name": "val", "type": "TripletDataset", "sources": sources(root, "val", *layouts), "crop": 64},
        },
        "network_g": {"type": "TrainableAFINE", "clip": "none", **TOY},
        "path": {"pretrain_network_g": str(checkpoint(root, stage - 1)) if stage > 1 else None},
        "train": {
            "total_iter": ITERATIONS[stage],
            "optim_g": {"type": "AdamW", "lr": RATES[stage], "betas": [0.9, 0.99]},
            "scheduler": {
                "type": "CosineAnnealingRestartLR",
                "periods": [ITERATIONS[stage]],
                "restart_weights": [1],
                "eta_min": 1e-8,
            },
            "objective": {"type": "afine", "stage": stage},
        },
        "val": {"val_freq": 1000},
        "logger": {"print_freq": 5, "save_checkpoint_freq": 1000, "use_tb_logger": False},
    }
    for path, value in changes.items():
        *parts, key = path.split("__")
        section = found
        for part in parts:
            section = section[part]
        section[key] = value
    return found


def checkpoint(root, stage, label="latest"):
    return root / "experiments" / f"stage{stage}" / "models" / f"net_g_{label}.pth"


def train(content, *more):
    Path("options.yml").write_text(yaml.safe_dump(content))
    return main(["-opt", "options.yml", *more])


def network(path=None, seed=0):
    torch.manual_seed(seed)
    found = AFINENetwork(**TOY)
    if path:
        found.load_state_dict(read_tensor_file(path)["params"])
    return found


def objective(stage, *arguments):
    return AFINEObjective(network(*arguments), AFINEOptions(type="afine", stage=stage)).eval()


STAGES = {1: ("diffiqa", "kadid"), 2: ("kadid",), 3: ("diffiqa", "kadid")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder in which all three stages have run: `stage1` to `stage3` below `experiments`."""
    root = tmp_path_factory.mktemp("afine")
    for part, first, count in (("Train", 0, 8), ("Val", 20, 10)):
        write_diffiqa(root / "DiffIQA" / part, count=count, first_seed=first)
    write_kadid(root / "kadid10k", references=45, levels=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for layout, folder in LOCAL.items():
            assert cli(["make-triplets", "--layout", layout, "--input", folder, "--output", layout]) == 0
        # A fifth of the references is not enough for a test: those of the test list join the validation's.
        Path("kadid/val.txt").write_text(Path("kadid/val.txt").read_text() + Path("kadid/test.txt").read_text())
        Path("kadid/test.txt").unlink()
        for stage, layouts in STAGES.items():
            assert train(options(root, stage, layouts)) == 0
    return root


def samples(root, part, layouts):
    return build_dataset({**options(root, 1, layouts)["datasets"][part], "phase": "val"})


def pooled(dataset, count=100):
    """About that many samples as one batch."""
    return default_collate([dataset[index] for index in range(0, len(dataset), max(1, len(dataset) // count))])


# --- Training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_lowers_its_loss_and_moves_its_own_parameters_only(trained, stage):
    before = network(checkpoint(trained, stage - 1)) if stage > 1 else network(seed=3)
    after = network(checkpoint(trained, stage))
    moved = {name for name, value in after.named_parameters() if not torch.equal(value, before.get_parameter(name))}
    expected = {
        1: ("finetuned_clip.", "natural."),
        2: ("fidelity.",),
        3: ("natural_scale.", "fidelity_scale.", "adapter."),
    }[stage]
    frozen = ("finetuned_clip.ln_post.", "finetuned_clip.proj")
    learner = AFINEObjective(after, AFINEOptions(type="afine", stage=stage))
    trainable = {name.removeprefix("network.") for name, p in learner.named_parameters() if p.requires_grad}
    own = {name for name, _ in after.named_parameters() if name.startswith(expected) and not name.startswith(frozen)}
    assert trainable == own and moved == own
    batch = pooled(samples(trained, "train", STAGES[stage]))
    with torch.no_grad():
        losses = [sum(AFINEObjective(one, learner.options).losses(batch).values()).item() for one in (before, after)]
    assert losses[1] < losses[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_orders_unseen_images_better_than_chance(trained, stage):
    """Sign test over references, which are independent: each counts once, whether more than half of its pairs are
    right. With P(right) = 1/2 that many references would come out so with p < 0.01."""
    learner = objective(stage, checkpoint(trained, stage))
    dataset = samples(trained, "val", STAGES[stage])
    by_reference = defaultdict(list)
    for index in range(len(dataset)):
        sample = dataset[index]
        if sample["target"][0] != 0.5:
            by_reference[dataset._samples[index][1].reference].append(sample)
    with torch.no_grad():
        won = sum(learner.validate([default_collate(found)])["accuracy"] > 0.5 for found in by_reference.values())
    count = len(by_reference)
    p_value = sum(math.comb(count, more) for more in range(won, count + 1)) / 2**count
    assert p_value < 0.01, f"{won} of {count}"


def test_the_log_and_the_table_name_losses_and_accuracies(trained):
    log = next((trained / "experiments/stage1").glob("*.log")).read_text()
    for name in (
        "l_x1_x2",
        "l_x1_ref",
        "l_x2_ref",
        "accuracy: ",
        "accuracy_better: ",
        "accuracy_worse: ",
        "accuracy_PSY",
    ):
        assert name in log, name
    scores = (trained / "experiments/stage3/scores.csv").read_text()
    assert "accuracy_diffiqa" in scores and "accuracy_kadid" in scores
    assert not (trained / "experiments/stage2/weights/afine.pth").exists()


def test_the_published_file_is_the_metric_of_the_network(trained, monkeypatch):
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(trained / "experiments/stage3/weights"))
    last = network(checkpoint(trained, 3))
    first, second, reference = pooled(samples(trained, "val", STAGES[3]))["image"].unbind(1)
    learner = AFINEObjective(last, AFINEOptions(type="afine", stage=3))
    batch = {"image": torch.stack([first, second, reference], 1)}
    with torch.no_grad():
        ((d1, d2),) = learner._compared(batch)
        metric = create_metric("afine")
        torch.testing.assert_close(metric(first, reference), d1, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(metric(second, reference), d2, rtol=1e-5, atol=1e-5)
        assert d1.std() > 0.01
        for stage, name, of in ((1, "afine-naturalness", "natural_scale"), (2, "afine-fidelity", "fidelity_scale")):
            learner = AFINEObjective(last, AFINEOptions(type="afine", stage=stage))
            raw = learner._compared(batch)[0][0]
            torch.testing.assert_close(create_metric(name)(first, reference), getattr(last, of)(raw))


def test_a_resumed_run_is_the_uninterrupted_one(trained, monkeypatch):
    monkeypatch.chdir(trained)
    short = {"train__total_iter": 6, "logger__save_checkpoint_freq": 3, "val": None}
    results = []
    for name in ("whole", "again"):
        content = options(trained, 1, STAGES[1], name, **short)
        assert train(content) == 0
        folder = Path("experiments") / name
        if name == "again":  # an interrupted run has nothing of iteration 6
            for path in folder.rglob("*6.*"):
                path.unlink()
            torch.manual_seed(99)
            assert train(content, "--auto_resume") == 0
        files = (folder / "models/net_g_6.pth", folder / "training_states/6.state")
        results.append([read_tensor_file(path) for path in files])
    assert list(differences(*results)) == []


WORKER = """
    import sys, torch
    from iqa_sr.runtime import distributed
    from iqa_sr import plugin
    from iqa_sr.training.loop import build_run
    from iqa_sr.training.run_config import RunConfig

    torch.set_num_threads(1)
    rank, size = distributed.start_processes()
    plugin.register()
    config = RunConfig.from_yaml(sys.argv[1])
    opt = config.basicsr_opt(rank, size)
    run = build_run(config, opt)
    batches = run.cursor.batches()
    for iteration in range(1, 5):
        run.model.feed_data(next(batches))
        run.model.optimize_parameters(iteration)
    torch.save(run.model.objective.network.state_dict(), f"{opt['name']}_{rank}.pth")
    del run, batches
    distributed.stop_processes()
"""


def test_two_processes_with_half_the_batch_are_one_with_the_whole(trained, tmp_path, monkeypatch):
    """On the CPU, gloo: CLIP's weights are equal on both, and those of one process with the whole batch."""
    monkeypatch.chdir(tmp_path)
    Path("worker.py").write_text(textwrap.dedent(WORKER))
    for name, batch in (("one", 4), ("two", 2)):
        # Adam would blow up the rounding of gradients near zero.
        content = options(trained, 1, STAGES[1], name, train__optim_g={"type": "SGD", "lr": 0.05})
        content["datasets"]["train"]["batch_size_per_gpu"] = batch
        Path(f"{name}.yml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(sys, "argv", ["worker.py", "one.yml"])
    runpy.run_path("worker.py")
    done = two_processes("worker.py", "two.yml")
    assert done.codes == [0, 0], done.errors
    start = {key: value for key, value in network(seed=3).state_dict().items() if key.startswith("finetuned_clip")}
    one, first, second = (torch.load(f"{name}.pth") for name in ("one_0", "two_0", "two_1"))
    assert list(differences(first, second)) == []
    for key, value in one.items():
        torch.testing.assert_close(first[key], value, rtol=1e-4, atol=1e-5, msg=key)
    moved = [key for key, value in start.items() if not torch.allclose(one[key], value, rtol=1e-3, atol=1e-4)]
    assert any("resblocks.0" in key for key in moved) and "finetuned_clip.conv1.weight" in moved


# --- Loss and protocol ------------------------------------------------------------------------------------------------


def test_probability_is_thurstones():
    u1, u2 = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, math.sqrt(2), -1.0])
    expected = torch.tensor([0.5, 0.8413447, 1 - 0.9213504])  # Phi(0), Phi(1), Phi(-sqrt 2)
    torch.testing.assert_close(preference_probability(u1, u2), expected, rtol=1e-5, atol=1e-7)


def test_fidelity_loss_by_its_formula():
    p, g = torch.tensor([0.8, 0.8, 0.5, 0.3]), torch.tensor([1.0, 0.0, 0.5, 0.5])
    expected = [
        1 - math.sqrt(pi * gi + 1e-8) - math.sqrt((1 - pi) * (1 - gi) + 1e-8)
        for pi, gi in zip(p.tolist(), g.tolist(), strict=True)
    ]
    assert fidelity_loss(p, g).item() == pytest.approx(sum(expected) / 4, abs=1e-6)
    u = torch.tensor([0.0, 1e9, -1e9, 3.0], requires_grad=True)
    for target in (0.0, 0.5, 1.0):
        loss = fidelity_loss(preference_probability(u, torch.zeros(4)), torch.full((4,), target))
        assert loss.isfinite() and torch.autograd.grad(loss, u)[0].isfinite().all()


def test_accuracy_follows_the_protocol():
    """The better image has the lower score; a tie counts only for equal scores."""
    learner = objective(1)
    scores = iter([([1.0, 1.0], [2.0, 2.0]), ([2.0, 1.0], [1.0, 1.0])])
    learner._compared = lambda batch: [tuple(torch.tensor(part) for part in next(scores))]
    batches = [
        {"target": torch.tensor([[1.0, 1, 0.5], [0.5, 0.5, 0.5]]), "kind": ["PSY", "SSY"], "source": ["a", "b"]},
        {"target": torch.tensor([[0.0, 0, 0.5], [0.5, 0.5, 0.5]]), "kind": ["NYY", "SYY"], "source": ["a", "b"]},
    ]
    expected = {"": 0.75, "_PSY": 1, "_SSY": 0, "_NYY": 1, "_SYY": 1, "_better": 1, "_worse": 1, "_a": 1, "_b": 0.5}
    assert learner.validate(batches) == {f"accuracy{name}": value for name, value in expected.items()}


def test_losses_are_those_of_the_images_alone():
    """A batch equals its singles, and each stage compares what it says."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, 3, 3, 64, 96, generator=generator)
    batch = {"image": image, "target": torch.tensor([[1.0, 1, 0], [0, 0, 0.5], [0.5, 1, 1]])}
    whole = network()
    one = [whole.statistics(image[:, i]) for i in range(3)]
    n = [whole.natural(statistics) for statistics in one]
    f = [whole.fidelity(statistics, one[2]) for statistics in one[:2]]
    d = [
        whole.adapter(whole.natural_scale(n[i]), whole.natural_scale(n[2]), whole.fidelity_scale(f[i]))
        for i in range(2)
    ]
    expected = {1: [(n[0], n[1]), (n[0], n[2]), (n[1], n[2])], 2: [tuple(f)], 3: [tuple(d)]}
    for stage, pairs in expected.items():
        losses = AFINEObjective(whole, AFINEOptions(type="afine", stage=stage))(batch)
        assert list(losses) == ["x1_x2", "x1_ref", "x2_ref"][: len(pairs)]
        for value, pair, target in zip(losses.values(), pairs, batch["target"].T, strict=False):
            torch.testing.assert_close(value, fidelity_loss(preference_probability(*pair), target))


@pytest.mark.parametrize("stage", STAGES)
def test_everything_trained_gets_a_gradient(stage):
    """What gets none would stop several processes, and autocast must not lose any."""
    learner = objective(stage)
    learner.network.adapter.k.data.fill_(0.5)
    image = torch.rand(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for kind in (None, torch.bfloat16):
        learner.zero_grad()
        with torch.autocast("cpu", kind, enabled=kind is not None):
            losses = learner({"image": image, "target": torch.tensor([[1.0, 1, 0], [0, 0, 0.5]])})
        assert all(value.dtype == torch.float32 for value in losses.values())
        sum(losses.values()).backward()
        for name, parameter in learner.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, name
            assert parameter.grad is None or parameter.grad.isfinite().all(), name


# --- Files and options ------------------------------------------------------------------------------------------------


def test_initial_values():
    found = AFINENetwork(**TOY)
    for weights in (found.fidelity.alpha, found.fidelity.beta):
        assert weights.mean().item() == pytest.approx(0.1, abs=0.005) and 0.005 < weights.std().item() < 0.015
    learned = (found.natural_scale.yita3, found.natural_scale.yita4, found.fidelity_scale.yita3)
    assert [value.item() for value in learned] == pytest.approx([4.9592, 21.5968, 0.5])
    assert found.fidelity_scale.yita4.item() == pytest.approx(0.15) and found.adapter.k.item() == 5
    assert found.finetuned_clip.class_embedding.std() > 0 and found.finetuned_clip.positional_embedding.std() > 0
    with pytest.raises(ValueError, match="expected a width that is a multiple of 64"):
        AFINENetwork(width=70)


def toy_openai(visual, seed=5):
    """A file in OpenAI's form: half precision, both towers, facts."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        f"visual.{key}": torch.randn(value.shape, generator=generator).half()
        for key, value in visual.state_dict().items()
    }
    tensors["text_projection"] = torch.ones(4, 4).half()
    return tensors, scripted({**tensors, **{name: torch.tensor(value) for name, value in FACTS.items()}})


def test_clip_starts_as_openai_published_it(tmp_path, monkeypatch):
    tensors, archive = toy_openai(AFINENetwork(**TOY).finetuned_clip)
    archive.save(tmp_path / "ViT-B-32.pt")
    monkeypatch.setenv("IQA_SR_WEIGHTS", str(tmp_path))
    state = TrainableAFINE(clip="openai", **TOY).finetuned_clip.state_dict()
    assert all(torch.equal(value, tensors[f"visual.{key}"].float()) for key, value in state.items())
    random = TrainableAFINE(clip=None, **TOY).finetuned_clip.state_dict()
    assert not torch.equal(random["conv1.weight"], state["conv1.weight"])
    with pytest.raises(ValueError, match=r"ViT-B-32\.pt does not fit CLIPVision"):
        TrainableAFINE(clip="openai", width=64, layers=3)
    with pytest.raises(OptionError, match="network_g:clip: expected openai or none, got 'opnai'; did you mean openai"):
        TrainableAFINE(clip="opnai", **TOY)


def test_the_published_file_has_the_keys_and_shapes_of_the_authors(tmp_path, monkeypatch):
    """At full size, without its memory; the text tower comes with OpenAI's file."""
    with torch.device("meta"):
        full = AFINENetwork()
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: tensor)  # tensors without content cannot move
    text = {key.split("/")[1]: shape for key, shape, *_ in entries() if is_text(key)}
    archive = scripted({**{key: torch.zeros(shape).half() for key, shape in text.items()}, "visual.x": torch.zeros(1)})
    archive.save(tmp_path / "ViT-B-32.pt")
    for folder, with_text in ((tmp_path, True), (tmp_path / "empty", False)):
        monkeypatch.setenv("IQA_SR_WEIGHTS", str(folder))
        parts = published_parts(full)
        found = {f"{part}/{key}": list(value.shape) for part, state in parts.items() for key, value in state.items()}
        assert found == {key: shape for key, shape, *_ in entries() if with_text or not is_text(key)}
        assert all(value.dtype == torch.float32 for state in parts.values() for value in state.values())
    kept = {key: value for key, _, _, _, *value in entries() if key.split("/")[1] in ("mean", "std")}
    assert len(kept) == 4
    for key, ((*values,),) in kept.items():
        part, name = key.split("/")
        assert parts[part][name].flatten().tolist() == pytest.approx(values)


def entries():
    return golden("afine")["checkpoint"]["entries"]


def is_text(key):
    return key.startswith("finetuned_clip/") and not key.startswith("finetuned_clip/visual.")


@pytest.mark.parametrize("stage", STAGES)
def test_a_dry_run_of_each_recipe(trained, stage, tmp_path, monkeypatch, capsys):
    """The option files as they are but for their data, their size, and CLIP."""
    monkeypatch.chdir(tmp_path)
    plugin.register()
    lists = {
        "train": sources(trained, "train", "diffiqa", "kadid"),
        "val": sources(trained, "val", "diffiqa"),
        "val_2": sources(trained, "val", "kadid"),
    }
    forced = [
        *(f"datasets:{key}:sources={json.dumps(value)}" for key, value in lists.items()),
        *("datasets:train:crop=64", "datasets:train:num_worker_per_gpu=0", "datasets:train:batch_size_per_gpu=2"),
        *("network_g:clip=none", "network_g:width=64", "network_g:layers=2"),
    ]
    if stage > 1:
        forced.append(f"path:pretrain_network_g={checkpoint(trained, stage - 1)}")
    assert main(["-opt", str(ROOT / f"options/iqa/afine_stage{stage}.yml"), "--dry-run", "--force_yml", *forced]) == 0
    shown = capsys.readouterr().err
    assert f"dry run of afine_stage{stage}: everything was built" in shown and "l_x1_x2" in shown
    assert ("l_x1_ref" in shown) == (stage == 1)
    if stage == 3:
        assert "5 of them trained" in shown


def test_wrong_options_are_refused_before_anything_is_built(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    content = options(trained, 1, STAGES[1])
    for path, value, message in (
        ("train__objective__stage", 4, "train:objective:stage: input should be 1, 2 or 3, got 4"),
        ("network_g__layer", 2, "network_g:layer: unknown key for TrainableAFINE; did you mean layers"),
        ("train__objective__stage", 2, "path:pretrain_network_g: expected the net_g_latest.pth of stage 1"),
        (
            "datasets__train__type",
            "RankingDataset",
            "the objective afine learns from TripletDataset, got RankingDataset",
        ),
        ("datasets__train__crop", 96, "smaller than the crop of 96"),
    ):
        changed = copy.deepcopy(content)
        *parts, key = path.split("__")
        section = changed
        for part in parts:
            section = section[part]
        section[key] = value
        assert train(changed) == 1
        text = capsys.readouterr().err
        assert message in text and len(text[text.index("error: ") :].strip().splitlines()) <= 5
    assert not Path("experiments").exists()
