"""Plan of an evaluation. Everything that can be found wrong is found here, before anything is written."""

import hashlib
import json
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import iqa_sr
from iqa_sr.checkpoint.loading import LoadedNetwork, load_network
from iqa_sr.evaluation.base import BaseResults, base_checkpoint, base_first, made_results, ready_results
from iqa_sr.evaluation.datasets import EvaluationSet, open_set
from iqa_sr.evaluation.evaluator import InferenceConfig
from iqa_sr.evaluation.inputs import (
    LabeledCheckpoint,
    datasets_from_args,
    datasets_of_experiment,
    find_checkpoints,
    named_path,
)
from iqa_sr.evaluation.scores import ImageScorer, choose_scorer, read_metrics
from iqa_sr.evaluation.set_plan import SetPlan, plan_sets
from iqa_sr.inference.tiling import OVERLAP, Tile
from iqa_sr.io.files import compute_hash
from iqa_sr.metrics.registry import metric_info
from iqa_sr.scores.protocols import Against, Protocol, find_protocol
from iqa_sr.scores.result_folder import CheckpointFacts, DataSetFacts, RunFacts, is_folder_name, why_no_folder
from iqa_sr.weights.store import find_all

__all__ = ["EvaluationConfig", "EvaluationPlan", "plan_evaluation"]

_PACKAGES = ("torch", "numpy", "basicsr", "opencv-python", "opencv-python-headless", "Pillow")
_MANY = 3  # checkpoints


@dataclass(frozen=True)
class EvaluationConfig:
    """Checkpoints, images, metrics and output of an evaluation.

    Attributes:
        checkpoints: Files, folders of checkpoints, experiments; each may be `LABEL=PATH`.
        data: Roots of ground truths, each may be `NAME=DIR`; none: the validation sets of the checkpoints' experiment.
        lq: Folders of ready LQ images, likewise; where there are none, they are made.
        degradation: Type of the degradation that makes LQ images, or its section as in an option file,
            `{type: ..., ...}`; None for bicubic.
        protocol: Name of the protocol that fixes metrics and rules, if any.
        without: Names of metrics of the protocol, of images or of sets, that are left out.
        metrics: Names of metrics; with a protocol on top of its own. None for those of the protocol, or that need no
            download.
        set_metrics: Names of metrics of sets, which compare all results of a data set with its originals; None for
            those of the protocol, of the data sets that have what they need.
        patches: Patches that images are cut into for these, as `read_patches` of `iqa_sr.set_metrics.patches` takes
            them; None for whole images.
        border: Pixels cut from each side before scoring; None for 0, or what the protocol says.
        against: References of full-reference metrics, see `Against`; None for the original, or what the protocol says.
        base: Base that `against` base compares with: its checkpoint, `[LABEL=]FILE`, or folders of its results,
            `[NAME=]DIR` of each data set; none: what the checkpoints' training began with.
        output: The result folder; None for `results/` and the name of the experiment or file.
        overwrite: Whether what another evaluation has left there is removed.
        baseline: Whether bicubic (at scale 1 the input), original and gold standard are evaluated, too.
        options: Option file of the networks, where it is not found.
        param_key: Key of the weights in the files; None for `params_ema`, else `params`.
        tile: Side of a tile in pixels of the LQ, `auto`, or None for the whole image; see
            `iqa_sr.inference.tiling.upscale`.
        overlap: Overlap of neighboring tiles in pixels of the LQ.
        device: Device of networks and metrics.
        half: Whether networks compute in half precision.
        workers: Number of images computed at a time; None for as many as do good.
        command: Arguments of the command line, for the record.
    """

    checkpoints: Sequence[str]
    data: Sequence[str] = ()
    lq: Sequence[str] = ()
    degradation: str | None = None
    protocol: str | None = None
    without: Sequence[str] = ()
    metrics: Sequence[str] | None = None
    set_metrics: Sequence[str] | None = None
    patches: int | str | None = None
    border: int | None = None
    against: Against | None = None
    base: Sequence[str] = ()
    output: str | Path | None = None
    overwrite: bool = False
    baseline: bool = True
    options: str | Path | None = None
    param_key: str | None = None
    tile: Tile = None
    overlap: int = OVERLAP
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    half: bool = False
    workers: int | None = None
    command: Sequence[str] = ()

    def load(self, file: LabeledCheckpoint, device: torch.device | str = "cpu") -> LoadedNetwork:
        """The network of a checkpoint."""
        reading = {"options": self.options, "param_key": self.param_key, **file.reading}
        return load_network(file.path, device=device, **reading)


@dataclass(frozen=True)
class _Inspection:
    """Facts found in checkpoints of one scale.

    Attributes:
        scale: Scale of all of them.
        facts: Facts of each, by its label.
        assumed: Options of some networks that no source told, for example `SwinIR with img_range 1.0`.
    """

    scale: int
    facts: dict[str, CheckpointFacts]
    assumed: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationPlan:
    """Checked plan of an evaluation: everything that it needs is there.

    Attributes:
        config: Configuration of the evaluation.
        folder: Result folder.
        files: The checkpoints; one that all are compared with is the first.
        sets: The data sets.
        scorer: Scorer with the metrics of the evaluation.
        set_plan: Metrics of sets, and the data sets that have them.
        base: Results that `against` base compares with; None if there are none.
        inference: Settings of the inference: device, tiles, precision, images at a time.
        run: Facts of the run, as `run.json` keeps them.
        protocol: Protocol that it follows, if any.
        assumed: Options of some networks that no source told, for example `SwinIR with img_range 1.0`.
    """

    config: EvaluationConfig
    folder: Path
    files: list[LabeledCheckpoint]
    sets: list[EvaluationSet]
    scorer: ImageScorer
    set_plan: SetPlan
    base: BaseResults | None
    inference: InferenceConfig
    run: RunFacts
    protocol: Protocol | None
    assumed: tuple[str, ...]


def plan_evaluation(config: EvaluationConfig, first: bool = True) -> EvaluationPlan:
    """Find and look into everything that an evaluation needs; weights that are missing are downloaded.

    Args:
        config: Configuration of the evaluation.
        first: Whether this is the first of several processes: it alone reads all files for the facts.

    Raises:
        FileNotFoundError: If a file, folder or weights are missing, or nothing is found in a folder.
        ValueError: If a metric, protocol or argument is wrong, data do not fit, a file is damaged, or it is not known
            what network a checkpoint holds.
    """
    if config.without and not config.protocol:
        raise ValueError(f"`without` {','.join(config.without)}: leaves metrics of a `protocol` out, got none")
    protocol = find_protocol(config.protocol, config.without) if config.protocol else None
    asked = read_metrics(config.metrics, protocol)
    if config.workers is not None and config.workers < 1:
        raise ValueError(f"`workers`: expected at least 1, got {config.workers}")
    device = config.device
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", torch.cuda.current_device())
    inference = InferenceConfig(device, config.tile, config.overlap, config.half, config.workers or 0)
    files = find_checkpoints(config.checkpoints)
    origins = {file.experiment for file in files}
    experiment = origins.pop() if len(origins) == 1 else None  # the only one that all checkpoints come from
    if config.data or config.lq:
        specs = datasets_from_args(config.data, config.lq, config.degradation)
    elif config.degradation:
        raise ValueError(f"`degradation` {config.degradation}: expected with `data` DIR, got it alone")
    elif experiment is None:
        raise ValueError("`data`: expected the folder of the ground truths, or `lq` that of LQ images, got neither")
    else:
        specs = datasets_of_experiment(experiment)
    folder = _output_folder(config, files, experiment)
    maker = _maker_of_base(config, files)
    if maker is not None:
        files = base_first(files, maker, config.load)
    found = _inspect_networks(config, files, protocol, first)
    sets = [open_set(spec, found.scale, first) for spec in specs]
    base = None
    if maker is not None:
        base = made_results(folder, files[0], config.load(files[0]).digest, sets)
    elif config.base:
        base = ready_results(config.base, sets, first)
    scorer = choose_scorer(asked, protocol, config.border, config.against, sets)
    set_plan = plan_sets(config.set_metrics, config.patches, sets, protocol.set_metrics if protocol else ())
    files_needed = [file for name in scorer.metrics for file in metric_info(name).weights]
    if weights := dict.fromkeys([*files_needed, *set_plan.weights]):
        find_all(weights)
    run = _run_facts(config, experiment, found, sets, scorer, base, first)
    return EvaluationPlan(config, folder, files, sets, scorer, set_plan, base, inference, run, protocol, found.assumed)


def _maker_of_base(config: EvaluationConfig, files: Sequence[LabeledCheckpoint]) -> LabeledCheckpoint | None:
    if config.against == "base":
        return base_checkpoint(config.base, files)
    if config.base:
        raise ValueError(f"`base` {config.base[0]}: expected with `against` base, got it alone")
    return None


def _output_folder(config: EvaluationConfig, files: Sequence[LabeledCheckpoint], experiment: Path | None) -> Path:
    if config.output:
        folder = Path(config.output)
        if folder.name in ("", ".."):
            raise ValueError(f"`output`: expected the name of a folder for the results, got {config.output}")
        return folder
    if experiment is None and len(config.checkpoints) > 1:
        raise ValueError("`output`: expected a folder for the results of several checkpoints, got nothing")
    if experiment:
        name = experiment.resolve().name
    else:
        label, path = named_path(config.checkpoints[0])
        name = label or path.resolve().name if path.is_dir() else files[0].label
    if not is_folder_name(name):
        raise ValueError(
            f"`output`: expected with these checkpoints, whose name {name!r} cannot be a folder's{why_no_folder(name)}"
        )
    return Path("results") / (f"{name}_{config.protocol}" if config.protocol else name)


def _inspect_networks(
    config: EvaluationConfig, files: Sequence[LabeledCheckpoint], protocol: Protocol | None, progress: bool
) -> _Inspection:
    """Load every network once: a file that cannot be used is found before hours were spent on the others.

    Raises:
        ValueError: If it is not known what network a file holds, the scales differ, or the protocol has another one.
    """
    facts: dict[str, CheckpointFacts] = {}
    scales: dict[int, LabeledCheckpoint] = {}
    assumed: set[str] = set()
    hidden = None if progress and len(files) > _MANY else True  # tqdm's None: on a terminal only
    for file in tqdm(files, desc="looking into checkpoints", unit="file", leave=False, disable=hidden):
        loaded = config.load(file)
        path, architecture = file.path.as_posix(), loaded.architecture
        options = {"type": architecture, **loaded.hyperparameters} if loaded.section is None else loaded.section
        built = hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode()).hexdigest()[:16]
        facts[file.label] = CheckpointFacts(
            path=path, sha256=file.sha256, architecture=architecture, iteration=file.iteration, built=built
        )
        scales.setdefault(loaded.scale, file)
        assumed |= {f"{architecture} with {value}" for value in loaded.assumed}
    if len(scales) > 1:
        each = ", ".join(f"x{scale} ({file.path})" for scale, file in sorted(scales.items()))
        raise ValueError(f"expected checkpoints of one scale, got {each}; evaluate them apart")
    ((scale, first),) = scales.items()
    if protocol is not None and protocol.scale not in (None, scale):
        raise ValueError(f"`protocol` {protocol.name} is defined for x{protocol.scale}, {first.path} is x{scale}")
    return _Inspection(scale, facts, tuple(sorted(assumed)))


def _run_facts(
    config: EvaluationConfig,
    experiment: Path | None,
    found: _Inspection,
    sets: Sequence[EvaluationSet],
    scorer: ImageScorer,
    base: BaseResults | None,
    first: bool,
) -> RunFacts:
    versions = {"iqa_sr": iqa_sr.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    datasets = {}
    for dataset in sets:
        root = dataset.spec.data
        datasets[dataset.name] = DataSetFacts(
            images=len(dataset.records),
            references=root.as_posix() if root is not None else None,
            digest=dataset.digest(progress=True) if first else None,
        )
    settings: dict[str, Any] = {  # what images and scores depend on, and the folder does not hold otherwise
        "border": scorer.border,
        "against": scorer.against,
        "base": base.digest if base else None,
        "tile": config.tile,
        "overlap": None if config.tile is None else config.overlap,
        "half": config.half,
        "param_key": config.param_key,
        "options": compute_hash(Path(config.options)) if config.options else None,
    }
    return RunFacts(
        protocol=config.protocol,
        scale=found.scale,
        datasets=datasets,
        checkpoints=found.facts,
        command=list(config.command),
        versions=versions,
        experiment=experiment.as_posix() if experiment else None,
        settings=settings,
    )
