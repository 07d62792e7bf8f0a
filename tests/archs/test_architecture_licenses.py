"""The registry of architectures, and what the code of each may be used for."""

import sys

import pytest
from spandrel import MAIN_REGISTRY, ArchRegistry, ModelLoader

from iqa_sr.archs.architecture_licenses import architecture_license, registry

EXTRA = ["AdaCode", "CodeFormer", "DDColor", "FeMaSR", "M3SNet", "MAT", "MIRNet2", "MPRNet", "Restormer", "SRFormer"]


def test_every_architecture_has_a_license():
    known = {support.architecture.id: support.architecture.name for support in registry()}
    for identifier, name in known.items():
        found = architecture_license(identifier)
        assert found.name not in ("", "unknown"), identifier
        assert architecture_license(name) == found, "by its name, too"


def test_spandrel_itself_finds_the_extra_architectures():
    assert registry() is registry() is MAIN_REGISTRY is ModelLoader().registry
    assert set(EXTRA) <= {support.architecture.id for support in registry()}


def test_without_the_extra_package_its_architectures_are_missing(monkeypatch):
    plain = ArchRegistry()
    plain.add(*(support for support in MAIN_REGISTRY if support.architecture.id not in EXTRA))
    monkeypatch.setattr("spandrel.MAIN_REGISTRY", plain)
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", None)
    assert len(registry()) == len(plain) and "SRFormer" not in registry()
    assert architecture_license("SRFormer").noncommercial, "an adapter or a card may still name it"


def test_without_spandrel_it_is_named_and_licenses_are_known(monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ModuleNotFoundError, match="spandrel is not installed: pip install spandrel"):
        registry()
    assert architecture_license("SPAN").name == "Apache-2.0"


@pytest.mark.parametrize("name", EXTRA + ["GFPGAN", "RestoreFormer", "an architecture of tomorrow"])
def test_what_forbids_commercial_use_is_said(name):
    assert len(architecture_license(name).noncommercial) > 15


@pytest.mark.parametrize("name", ["ESRGAN", "RealESRGAN Compact", "SRVGGNetCompact", "PLKSR", "HAT", "AuraSR"])
def test_what_may_be_used_commercially(name):
    assert architecture_license(name).noncommercial == ""
