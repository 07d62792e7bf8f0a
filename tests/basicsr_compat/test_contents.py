"""What the built-in part has of BasicSR, and what it says about the rest."""

import inspect

import pytest

from iqa_sr.basicsr_compat import left_out, registered
from iqa_sr.basicsr_compat.builtin import contents, registry
from iqa_sr.basicsr_compat.left_out import LEFT_OUT, needs_basicsr

KINDS = ("ARCH", "DATASET", "LOSS", "METRIC", "MODEL")


@pytest.mark.basicsr
def test_every_name_of_basicsr_is_there_or_known_to_be_left_out():
    from basicsr.utils import registry as theirs

    for kind in KINDS:
        entries = dict(iter(getattr(theirs, f"{kind}_REGISTRY")))
        packages = {name: entry.__module__.partition(".")[0] for name, entry in entries.items()}
        of_basicsr = {name.removesuffix("_basicsr") for name, package in packages.items() if package == "basicsr"}
        own = set(registered(getattr(registry, f"{kind}_REGISTRY")))
        assert of_basicsr and of_basicsr == own | (of_basicsr & LEFT_OUT)
        assert not own & LEFT_OUT


@pytest.mark.basicsr
@pytest.mark.parametrize("kind", KINDS)
def test_the_arguments_are_those_of_basicsr(kind):
    """Of the same names, in the same order, with the same defaults; ours may take more."""
    from basicsr.utils import registry as theirs

    for name in registered(getattr(registry, f"{kind}_REGISTRY")):
        own = _arguments(getattr(registry, f"{kind}_REGISTRY").get(name))
        expected = _arguments(getattr(theirs, f"{kind}_REGISTRY").get(name))
        assert own[: len(expected)] == expected, name


def _arguments(target):
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = [one for one in inspect.signature(target).parameters.values() if one.kind in plain]
    return [(one.name, _plain(one.default)) for one in parameters]


def _plain(default):
    return list(default) if isinstance(default, list | tuple) else default


@pytest.mark.basicsr
def test_the_base_model_has_the_methods_of_basicsr():
    from basicsr.models.base_model import BaseModel

    private = {"_print_different_keys_loading"}  # part of `load_network`
    for name, method in vars(BaseModel).items():
        if inspect.isfunction(method) and name not in private:
            own, expected = _arguments(getattr(contents.BaseModel, name)), _arguments(method)
            assert own == expected or name == "optimize_parameters", name  # its models' has an argument more


def test_what_only_basicsr_has_is_told_without_it(monkeypatch):
    monkeypatch.setattr(left_out, "INSTALLED", False)
    assert needs_basicsr("RealESRGANModel") == (
        "RealESRGANModel is not in the part of BasicSR that comes with this package; it needs BasicSR itself, on "
        "Python 3.12 or older: pip install basicsr"
    )
    assert [needs_basicsr(name) for name in ("SRModel", "nothing", None, ["EDVR"])] == [None] * 4
    monkeypatch.setattr(left_out, "INSTALLED", True)
    assert needs_basicsr("RealESRGANModel") is None


def test_what_is_unknown_to_both_is_told_by_the_nearest_names():
    with pytest.raises(KeyError, match="there is no model 'SRModell'; did you mean SRModel"):
        registry.MODEL_REGISTRY.get("SRModell")
