"""Check that the data sets of an option file can be trained on: everything that is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iqa_sr import plugin
from iqa_sr.basicsr_compat import build_dataset
from iqa_sr.config.option_files import apply_overrides, read_option_file
from iqa_sr.config.sections import OptionProblems, read_section
from iqa_sr.data.leakage import check_together
from iqa_sr.data.problems import DataError
from iqa_sr.datasets.multi_gt_checks import check_data
from iqa_sr.datasets.multi_gt_dataset import MultiGTDatasetOptions
from iqa_sr.datasets.validation_images import sizes_of_records
from iqa_sr.errors import OptionError
from iqa_sr.models.metric_options import MetricConfig, read_metric
from iqa_sr.models.options import QualityConfig, section_of
from iqa_sr.samplers import build_sampler
from iqa_sr.training.run_config import RunConfig
from iqa_sr.training.validation_checks import check_names, size_problems

__all__ = ["check_option_file"]

Finding = tuple[bool, str]
"""True where nothing is wrong, and the text."""


def check_option_file(option_file: str, overrides: Sequence[str] = ()) -> Iterator[Finding]:
    """Look into every data set of ours in an option file, one after the other.

    Yields:
        Whether nothing is wrong with it, and a report.

    Raises:
        OptionError: If the option file names no such data set, or its sections are wrong.
    """
    options = apply_overrides(read_option_file(option_file), overrides)
    if options.get("model_type") == "QualityModel":
        yield from _quality_data(options)
    else:
        yield from _groups(option_file, options)


def _groups(option_file: str, options: Mapping[str, Any]) -> Iterator[Finding]:
    scale = options.get("scale")
    if isinstance(scale, float) and scale.is_integer():  # as a run takes it
        scale = int(scale)
    if not isinstance(scale, int) or isinstance(scale, bool) or scale < 1:
        raise OptionError(f"scale: expected the upscaling factor as a whole number, got {scale!r}")
    sections = {
        key: section
        for key, section in section_of(options, "datasets").items()
        if isinstance(section, dict) and section.get("type") == "MultiGTDataset"
    }
    if not sections:
        raise OptionError(f"{option_file}: no data set of the type MultiGTDataset under datasets")
    metrics: dict[str, MetricConfig] = {}
    problems = OptionProblems()
    check_names(options, problems)
    for name, section in section_of(section_of(options, "val"), "metrics").items():
        with problems.collected():
            metrics[name] = read_metric(section, f"val:metrics:{name}")
    problems.raise_if_any()
    for key, section in sections.items():
        path = f"datasets:{key}"
        phase = str(key).split("_")[0]
        checked = read_section(MultiGTDatasetOptions, {**section, "phase": phase, "scale": scale}, path)
        training = phase == "train"
        sampler = build_sampler(checked.sampler, f"{path}:sampler") if training else None
        report = check_data(checked, scale, checked.gt_size if training else None, sampler, where=path, decode_all=True)
        if not training:
            report.problems.extend(size_problems(sizes_of_records(report.records, scale), metrics, scale))
        yield report.ok, report.report()


def _quality_data(options: Mapping[str, Any]) -> Iterator[Finding]:
    """The data sets of quality networks find what is wrong when they are made; objectives may read data, too."""
    plugin.register()
    # Data are read on the CPU, also where the option file asks for GPUs that this machine does not have.
    config = RunConfig.from_options({**options, "num_gpu": 0})
    assert isinstance(config.model, QualityConfig)
    sections = config.basicsr_opt()["datasets"]
    built: dict[str, Any] = {}
    for key, section in sections.items():
        try:
            built[key] = build_dataset(section, f"datasets:{key}")
            yield True, f"datasets:{key}: nothing is wrong; {len(built[key])} samples"
        except DataError as error:
            yield False, str(error)
    try:
        for where, samples in config.model.objective.check_data(config.model.objective_options).items():
            yield True, f"{where}: nothing is wrong; {samples} samples"
    except DataError as error:
        yield False, str(error)
    try:
        check_together(built)
    except DataError as error:
        yield False, str(error)
