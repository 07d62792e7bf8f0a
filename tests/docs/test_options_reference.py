"""docs/options.md names every key that the option sections take, with its default, and no other; README's are taken."""

import inspect
import re
import textwrap
from fnmatch import fnmatch

import pytest
import yaml

from iqa_sr import plugin
from iqa_sr.config.sections import Section
from iqa_sr.data.creation.unlabeled_images import PictureSourceOptions
from iqa_sr.data.mos.scores import OpinionSource
from iqa_sr.datasets.aigc_dataset import AIGCDatasetOptions
from iqa_sr.datasets.distortion_chain_dataset import ChainDatasetOptions
from iqa_sr.datasets.jod_dataset import JODDatasetOptions
from iqa_sr.datasets.loader_options import LoaderOptions
from iqa_sr.datasets.mos_dataset import OpinionDatasetOptions
from iqa_sr.datasets.multi_gt_dataset import MultiGTDatasetOptions
from iqa_sr.datasets.ranking_dataset import RankingDatasetOptions
from iqa_sr.datasets.triplet_dataset import TripletDatasetOptions, TripletSource
from iqa_sr.degradations.options import HGGTOneStageOptions, HGGTTwoStageOptions, RealESRGANOptions
from iqa_sr.guard.options import GuardOptions
from iqa_sr.lora.injection import LoRAOptions
from iqa_sr.losses.afine_loss import AFINELossOptions
from iqa_sr.losses.ensemble_iqa_loss import EnsembleIQALossOptions, JudgeOptions
from iqa_sr.losses.iqa_loss import IQALossOptions, too_small
from iqa_sr.losses.views import ViewOptions
from iqa_sr.metrics.registry import _METRICS
from iqa_sr.models.metric_options import CalculateIQAOptions, ValSection
from iqa_sr.models.options import IQASRConfig
from iqa_sr.models.train_options import QualitySection, QualityValSection, SchedulerOptions, TrainSection
from iqa_sr.objectives.afine import AFINEOptions
from iqa_sr.objectives.arniqa import ARNIQAOptions, RegressorOptions
from iqa_sr.objectives.augmentiq import AugmentIQOptions
from iqa_sr.objectives.jod_options import Ascent, Flatness, JODOptions, Order, Regression, Tiles
from iqa_sr.objectives.mos import MOSOptions
from iqa_sr.objectives.qualiclip import QualiCLIPOptions
from iqa_sr.objectives.ranking import Attack, RankingOptions
from iqa_sr.samplers.argmax_online_sampler import ArgmaxOnlineOptions
from iqa_sr.samplers.softmax_sampler import SoftmaxOptions
from iqa_sr.training.run_config import FileOptions, LoggerOptions, PathOptions
from tests import ROOT

TEXT = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = {*PictureSourceOptions.model_fields, *OpinionSource.model_fields}
GIVEN = {"type", "phase", "scale"}  # the section's own name, and what BasicSR adds
NOT_USED = {"prefetch_mode", "num_prefetch_queue", "persistent_workers"}
LOADER = {*LoaderOptions.model_fields}
# The line above each table, the section that it describes, and the keys that stand elsewhere.
TABLES = (
    ("of type MultiGTDataset", MultiGTDatasetOptions, {"phase", "scale"} | NOT_USED),
    ("`softmax-all` and `softmax-positives`:", SoftmaxOptions, GIVEN),
    ("`argmax-online`:", ArgmaxOnlineOptions, GIVEN),
    ("## `path`", PathOptions, {"experiments_root"}),
    ("## `train` of IQASRModel", TrainSection, set()),
    ("### IQALoss", IQALossOptions, set()),
    ("### EnsembleIQALoss", EnsembleIQALossOptions, set()),
    ("A section of `metrics`:", JudgeOptions, set()),
    ("### `views`", ViewOptions, set()),
    ("### AFINELoss", AFINELossOptions, set()),
    ("validated whenever a checkpoint is saved", ValSection, set()),
    ("`type: calculate_iqa`:", CalculateIQAOptions, GIVEN),
    ("## `logger`", LoggerOptions, set()),
    ("and the keys of the loader:", LoaderOptions, {*GIVEN, "name"} | NOT_USED),
    ("at least one of the three sources.", PictureSourceOptions, set()),
    ("### RankingDataset", RankingDatasetOptions, LOADER | SOURCES),
    ("### ChainDataset", ChainDatasetOptions, LOADER | SOURCES),
    ("computes those of its samples.", JODDatasetOptions, LOADER | SOURCES),
    ("Of OpinionDataset, and of `regressor`.", OpinionSource, set()),
    ("### OpinionDataset", OpinionDatasetOptions, LOADER | SOURCES),
    ("### TripletDataset", TripletDatasetOptions, LOADER),
    ("A section of `sources`:", TripletSource, set()),
    ("### AIGCDataset", AIGCDatasetOptions, LOADER),
    ("### `objective`: ranking", RankingOptions, GIVEN),
    ("`attack`, adversarial rounds:", Attack, set()),
    ("begins with iteration 1.", JODOptions, GIVEN),
    ("`order`:", Order, set()),
    ("`regression`:", Regression, set()),
    ("attacks on the network as it is:", Ascent, set()),
    ("made better in every iteration:", Tiles, set()),
    ("along the gradient's signs:", Flatness, set()),
    ("### `objective`: mos", MOSOptions, GIVEN),
    ("### `objective`: arniqa", ARNIQAOptions, GIVEN),
    ("besides the keys of a collection:", RegressorOptions, SOURCES),
    ("### `objective`: qualiclip", QualiCLIPOptions, GIVEN),
    ("### `objective`: afine", AFINEOptions, GIVEN),
    ("### `objective`: augmentiq", AugmentIQOptions, GIVEN),
)


def rows_below(line):
    """The cells of the table whose last line of text before it ends in these words."""
    found = re.findall(rf"{re.escape(line)}(?:,? .*)?\n\n((?:\|.*\n)+)", TEXT)
    assert len(found) == 1, f"{line}: {len(found)} tables"
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in found[0].splitlines()[2:]]


def plain(value):
    """A default as YAML gives it."""
    if isinstance(value, Section):
        return plain(value.model_dump())
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("line", "section", "elsewhere"), TABLES, ids=[table[1].__name__ for table in TABLES])
def test_the_keys_and_defaults_of_a_section(line, section, elsewhere):
    told = {row[0].strip("`"): row[1] for row in rows_below(line)}
    fields = {name: field for name, field in section.model_fields.items() if name not in elsewhere}
    assert list(told) == list(fields)
    for name, field in fields.items():
        if field.is_required():
            assert told[name] == "required", name
        else:
            assert yaml.safe_load(told[name].strip("`")) == plain(field.get_default(call_default_factory=True)), name


def test_the_numbers_of_the_degradations():
    one, two, stock = HGGTOneStageOptions(), HGGTTwoStageOptions(), RealESRGANOptions()
    for line, stages in (
        ("keeps the published numbers in the rest.", (stock.first, stock.second, one.first, two.first, two.second)),
        ("after the last resize:", (stock.final, two.final)),
    ):
        rows = rows_below(line)
        assert [row[0].strip("`") for row in rows] == list(type(stages[0]).model_fields)
        for key, *cells in rows:
            for cell, stage in zip(cells, stages, strict=False):
                assert yaml.safe_load(cell.strip("`")) == plain(getattr(stage, key.strip("`"))), (line, key)


def test_the_options_of_metrics():
    rows = [[re.findall(r"`([^`]+)`", cell) for cell in row[:3]] for row in rows_below("### `metric_options`")]
    for name, (_, build) in _METRICS.items():
        told = {key: yaml.safe_load(default) for [key], [default], of in rows if any(fnmatch(name, one) for one in of)}
        assert told == {one.name: one.default for one in inspect.signature(build).parameters.values()}, name


def test_the_sections_of_the_file_and_what_stands_between_the_tables():
    top = {name for row in rows_below("## Top of the file") for name in re.findall(r"`(\w+)`", row[0])}
    assert top == set(FileOptions.model_fields)
    named = set(re.findall(r"`(\w+)[`:]", TEXT))
    below_train = {*QualitySection.model_fields} & {*TrainSection.model_fields}
    quality = TEXT.split("## QualityModel")[1].split("|")[0]
    assert below_train | {"objective"} | {*QualityValSection.model_fields} <= set(re.findall(r"`(\w+)[`:]", quality))
    assert {*SchedulerOptions.model_fields} | NOT_USED | {"experiments_root"} <= named


def test_the_readme_has_the_keys_of_lora_and_the_guard():
    for name, section in (("lora", LoRAOptions), ("guard", GuardOptions)):
        table = README.split(f"| `train:{name}` | default | |\n")[1].split("\n\n")[0]
        keys = [key for row in table.splitlines()[1:] for key in re.findall(r"`(\w+)`", row.split(" | ")[0])]
        assert set(keys) == set(section.model_fields) and len(keys) == len(set(keys))


def test_the_sections_that_the_readme_shows_are_accepted():
    plugin.register()
    blocks = [yaml.safe_load(textwrap.dedent(text)) for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    assert len(blocks) == 4
    for block in blocks:
        train = block.get("train", block)  # one block is a part of `train`
        needed = {"total_iter": 1, "optim_g": {"lr": 1e-3}, "scheduler": {"type": "MultiStepLR", "milestones": []}}
        config = IQASRConfig.from_opt({"train": {**needed, **train}, "val": {"val_freq": 1, **block.get("val", {})}})
        for loss in config.losses.values():
            assert too_small(loss.metrics, getattr(loss.options, "views", None), 256) is None
