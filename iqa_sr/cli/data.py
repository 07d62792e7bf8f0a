"""What the command that checks data prints and returns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from iqa_sr.config.option_files import apply_overrides, read_option_file
from iqa_sr.config.sections import read_section
from iqa_sr.data.problems import DataError
from iqa_sr.errors import OptionError

__all__ = ["check_option_file"]


def check_option_file(option_file: str, overrides: Sequence[str]) -> int:
    """Check every data set of ours in an option file and print everything that is wrong; 0 if nothing is.

    Raises:
        OptionError: If the option file names no such data set, or its sections are wrong.
    """
    options = apply_overrides(read_option_file(option_file), overrides)
    if options.get("model_type") == "QualityModel":
        return _check_quality_data(options)
    return _check_groups(option_file, options)


def _check_groups(option_file: str, options: Mapping[str, Any]) -> int:
    from iqa_sr.datasets.multi_gt_checks import check_data
    from iqa_sr.datasets.multi_gt_dataset import MultiGTDatasetOptions
    from iqa_sr.samplers import build_sampler

    scale = options.get("scale")
    if not isinstance(scale, int):
        raise OptionError(f"scale: expected the upscaling factor as a whole number, got {scale!r}")
    sections = {
        key: section
        for key, section in (options.get("datasets") or {}).items()
        if isinstance(section, dict) and section.get("type") == "MultiGTDataset"
    }
    if not sections:
        raise OptionError(f"{option_file}: no data set of the type MultiGTDataset under datasets")
    fine = True
    for key, section in sections.items():
        path = f"datasets:{key}"
        phase = key.split("_")[0]
        checked = read_section(MultiGTDatasetOptions, {**section, "phase": phase, "scale": scale}, path)
        training = phase == "train"
        sampler = build_sampler(checked.sampler, f"{path}:sampler") if training else None
        report = check_data(checked, scale, checked.gt_size if training else None, sampler, where=path, decode_all=True)
        print(report.report())
        fine = fine and report.ok
    return 0 if fine else 1


def _check_quality_data(options: Mapping[str, Any]) -> int:
    """The data sets of quality networks find what is wrong when they are made; objectives may read data, too."""
    from iqa_sr import plugin
    from iqa_sr.basicsr_compat import build_dataset
    from iqa_sr.data.leakage import check_together
    from iqa_sr.objectives import read_objective
    from iqa_sr.training.option_checks import check_options
    from iqa_sr.training.run_options import complete_options

    plugin.register()
    # Data are read on the CPU, also where the option file asks for GPUs that this machine does not have.
    opt = complete_options({**options, "num_gpu": 0}, rank=0, world_size=1, cuda_devices=0)
    check_options(opt)
    objective, settings = read_objective(opt["train"]["objective"])
    built: dict[str, Any] = {}
    errors: list[DataError] = []
    for key, section in opt["datasets"].items():
        with _printed(errors):
            built[key] = build_dataset(section)
            print(f"datasets:{key}: nothing is wrong; {len(built[key])} samples")
    with _printed(errors):
        for where, samples in objective.check_data(settings).items():
            print(f"{where}: nothing is wrong; {samples} samples")
    with _printed(errors):
        check_together(built)
    return 1 if errors else 0


@contextmanager
def _printed(errors: list[DataError]) -> Iterator[None]:
    """Print and keep a DataError from inside."""
    try:
        yield
    except DataError as error:
        print(error)
        errors.append(error)
