"""The top of an option file, its sections `logger` and `path`, and the names of registered classes in it."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from iqa_sr.basicsr_compat import MODEL_REGISTRY, needs_basicsr, registered
from iqa_sr.config.sections import Section
from iqa_sr.config.values import Iterations
from iqa_sr.errors import did_you_mean, shown
from iqa_sr.metrics.license_policy import LicensePolicy
from iqa_sr.scores.result_folder import is_folder_name, why_no_folder
from iqa_sr.training.card_options import CardOptions

__all__ = ["FileOptions", "LoggerOptions", "PathOptions", "StockFileOptions", "is_whole", "unknown_class"]


class LoggerOptions(Section):
    """`logger`: how often a run speaks and saves."""

    print_freq: Iterations = Field(ge=1)
    save_checkpoint_freq: Iterations = Field(ge=1)
    keep_checkpoints: int | None = Field(None, ge=1)
    use_tb_logger: bool = False
    wandb: dict[str, Any] | None = None


class PathOptions(Section):
    """`path`: what a run begins with, and where it writes."""

    experiments_root: str | None = None
    resume_state: str | None = None
    pretrain_network_g: str | None = None
    pretrain_opt_g: str | None = None
    pretrain_network_d: str | None = None
    param_key_g: str | None = None
    param_key_d: str | None = None
    strict_load_g: bool = True
    strict_load_d: bool = True
    ignore_resume_networks: list[str] | None = None


class FileOptions(Section):
    """The top of an option file; the sections that name classes are typed by themselves."""

    name: str
    model_type: str
    datasets: dict[str, dict[str, Any]]
    network_g: dict[str, Any]
    path: PathOptions | None
    train: dict[str, Any]
    logger: LoggerOptions
    scale: int | None = Field(None, ge=1, le=64)
    num_gpu: Literal["auto"] | int = "auto"
    manual_seed: int | None = Field(None, ge=0, le=2**63 - 1)
    network_d: dict[str, Any] | None = None
    val: dict[str, Any] | None = None
    dist_params: Any = None
    find_unused_parameters: bool = False
    license_policy: LicensePolicy = "any"
    card: CardOptions | None = None

    @field_validator("name", "model_type", "scale", "num_gpu", mode="before")
    @classmethod
    def _expected(cls, value: Any, info: ValidationInfo) -> Any:
        expected: str | None = None
        match info.field_name:
            case "name" if not isinstance(value, str) or not is_folder_name(value):
                expected = "expected a folder name: no slash, control character or dot in front, 200 bytes at most"
                expected += why_no_folder(value) if isinstance(value, str) else ""
            case "model_type":
                expected = unknown_class(value, MODEL_REGISTRY, "model")
            case "scale" if value is not None and not is_whole(value):
                expected = "expected the upscaling factor as a whole number"
            case "num_gpu" if value != "auto" and (not is_whole(value) or value < 0):
                expected = "expected auto or a number"
        if expected:
            raise ValueError(expected)
        return value


class _StockLoggerOptions(LoggerOptions):
    model_config = {**LoggerOptions.model_config, "extra": "allow"}


class StockFileOptions(FileOptions):
    """The top of an option file for a model of BasicSR, which may read keys and sections of its own."""

    model_config = {**FileOptions.model_config, "extra": "allow"}
    path: dict[str, Any] | None  # type: ignore[assignment]
    logger: _StockLoggerOptions


def is_whole(value: Any) -> bool:
    """Check whether a value is a whole number, also written as a floating one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()


def unknown_class(name: Any, registry: Any, kind: str) -> str | None:
    """Problem of the name of a class, with the nearest valid names; None where it is registered."""
    known = registered(registry)
    if isinstance(name, str) and (name in known or name in registry):
        return None
    return needs_basicsr(name) or f"there is no {kind} {shown(name)}; {did_you_mean(str(name), known)}"
