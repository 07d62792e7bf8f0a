"""What counts as an installed package, without importing it."""

import sys

import pytest

from iqa_sr.runtime.packages import NeededPackage, is_installed


def test_a_package_that_can_be_imported_is_installed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "__init__.py").write_text("raise RuntimeError('imported')")
    assert is_installed("there") and "there" not in sys.modules
    assert not is_installed("nowhere")


def test_a_folder_of_that_name_is_none(tmp_path, monkeypatch):
    """In the working folder, of a checkout or of results, for example."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "results_of_basicsr").mkdir()
    assert not is_installed("results_of_basicsr")


def test_what_is_refused_is_none(monkeypatch):
    class Refusing:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "refused":
                raise ModuleNotFoundError(name)

    monkeypatch.setattr(sys, "meta_path", [Refusing, *sys.meta_path])
    assert not is_installed("refused")
    monkeypatch.setitem(sys.modules, "struck_out", None)
    assert not is_installed("struck_out")


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (None, "found one of unknown version"),
        ("4.9", "found 4.9"),
        ("4.48.0.dev0", "found 4.48.0.dev0"),
        ("4.48.0", ""),
        ("5.0.0rc1", ""),
    ],
)
def test_a_needed_package_must_be_young_enough(tmp_path, monkeypatch, version, told):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lately").mkdir()
    (tmp_path / "lately" / "__init__.py").touch()
    if version:
        facts = tmp_path / f"lately-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lately\nVersion: {version}\n")
    problem = NeededPackage("lately", "4.48", "late").problem()
    assert problem == (f'needs lately 4.48 or later, {told}: `pip install "iqa-sr[late]"`' if told else "")
