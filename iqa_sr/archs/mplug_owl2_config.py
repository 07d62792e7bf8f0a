"""Sizes of an mPLUG-Owl2, read from the `config.json` beside its weights and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["AbstractorSizes", "LanguageSizes", "OwlSizes", "VisionSizes"]

MOST_LAYERS = 1000  # they are built one by one, before the file's tensors could show that they are not meant


@dataclass(frozen=True)
class VisionSizes:
    """Vision transformer: widths in channels, image and patch in px."""

    width: int
    hidden: int
    layers: int
    heads: int
    image: int
    patch: int
    epsilon: float

    @property
    def tokens(self) -> int:
        """Number of tokens that it gives: the patches and the class."""
        return (self.image // self.patch) ** 2 + 1


@dataclass(frozen=True)
class AbstractorSizes:
    """Visual abstractor: as many tokens as queries, whatever the number of patches."""

    width: int
    hidden: int
    layers: int
    heads: int
    queries: int
    epsilon: float


@dataclass(frozen=True)
class LanguageSizes:
    """LLaMA: widths in channels; heads of queries, and of keys and values."""

    width: int
    hidden: int
    layers: int
    heads: int
    key_heads: int
    epsilon: float
    rope_theta: float


@dataclass(frozen=True)
class OwlSizes:
    """All three parts."""

    vision: VisionSizes
    abstractor: AbstractorSizes
    language: LanguageSizes

    @classmethod
    def from_json(cls, content: Any, path: Path | str) -> "OwlSizes":
        """The sizes in a `config.json`.

        Args:
            content: Content of the file.
            path: Path of the file, for errors.

        Raises:
            ValueError: If it is that of another network, or its parts do not fit each other.
        """
        part = _Part(content, str(path), "")
        part.expect("model_type", "mplug_owl2")
        part.expect("hidden_act", "silu")
        for key in ("attention_bias", "mlp_bias", "rope_scaling"):
            part.expect(key, None, False)
        visual = part.inner("visual_config")
        seen, abstractor = visual.inner("visual_model"), visual.inner("visual_abstractor")
        seen.expect("hidden_act", "quick_gelu")
        heads = part.whole("num_attention_heads")
        sizes = cls(
            vision=VisionSizes(**seen.common(), image=seen.whole("image_size"), patch=seen.whole("patch_size")),
            abstractor=AbstractorSizes(**abstractor.common(), queries=abstractor.whole("num_learnable_queries")),
            language=LanguageSizes(
                **part.common("rms_norm_eps"),
                key_heads=part.whole("num_key_value_heads", heads),
                rope_theta=part.number("rope_theta", 10000.0),
            ),
        )
        width, side = sizes.vision.width, sizes.vision.image // sizes.vision.patch
        for name, got, wanted in (
            ("visual_abstractor.encoder_hidden_size", abstractor.whole("encoder_hidden_size", width), width),
            ("visual_abstractor.hidden_size", sizes.abstractor.width, width),
            ("visual_abstractor.grid_size", abstractor.whole("grid_size", side), side),
        ):
            if got != wanted:
                raise ValueError(f"{path}: {name}: expected {wanted}, as visual_model has it, got {got}")
        return sizes


@dataclass(frozen=True)
class _Part:
    """One mapping of the file, read key by key."""

    content: Any
    file: str
    prefix: str

    def inner(self, key: str) -> "_Part":
        return _Part(self._get(key), self.file, f"{self.prefix}{key}.")

    def whole(self, key: str, default: int | None = None) -> int:
        value = self._get(key, default)
        if type(value) is not int or value < 1:
            raise ValueError(f"{self.file}: {self.prefix}{key}: expected a whole number above 0, got {value!r}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self._get(key, default)
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise ValueError(f"{self.file}: {self.prefix}{key}: expected a number above 0, got {value!r}")
        return float(value)

    def common(self, epsilon: str = "layer_norm_eps") -> dict[str, Any]:
        """What every part has."""
        width, heads = self.whole("hidden_size"), self.whole("num_attention_heads")
        if width % heads:
            raise ValueError(
                f"{self.file}: {self.prefix}hidden_size: expected a multiple of {heads} heads, got {width}"
            )
        layers = self.whole("num_hidden_layers")
        if layers > MOST_LAYERS:
            raise ValueError(
                f"{self.file}: {self.prefix}num_hidden_layers: expected at most {MOST_LAYERS}, got {layers}"
            )
        return {
            "width": width,
            "hidden": self.whole("intermediate_size"),
            "layers": layers,
            "heads": heads,
            "epsilon": self.number(epsilon),
        }

    def expect(self, key: str, *values: Any) -> None:
        """Refuse another value than these, of which the first one is meant where there is none."""
        value = self._get(key, values[0])
        if value not in values:
            raise ValueError(
                f"{self.file}: {self.prefix}{key}: expected {values[0]!r}, got {value!r}; only mPLUG-Owl2 as Q-Align "
                "and DeQA-Score publish it is read"
            )

    def _get(self, key: str, default: Any = None) -> Any:
        if not isinstance(self.content, Mapping):
            where = self.prefix.rstrip(".") or "its content"
            raise ValueError(f"{self.file}: {where}: expected names and values, got {self.content!r:.80}")
        value = self.content.get(key)
        return default if value is None else value
