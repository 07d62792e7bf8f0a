"""What the command that checks data prints and returns."""

from collections.abc import Sequence

from iqa_sr.options import OptionError, apply_overrides, read_option_file, read_section

__all__ = ["check_option_file"]


def check_option_file(option_file: str, overrides: Sequence[str]) -> int:
    """Check every MultiGTDataset of an option file and print everything that is wrong; 0 if nothing is.

    Raises:
        OptionError: If the option file names no such data set, or its sections are wrong.
    """
    from iqa_sr.data.check import check_data
    from iqa_sr.data.multi_gt_dataset import MultiGTDatasetOptions
    from iqa_sr.samplers import build_sampler

    options = apply_overrides(read_option_file(option_file), overrides)
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
