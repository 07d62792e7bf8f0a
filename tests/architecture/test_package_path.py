"""What can be imported as a part of `iqa_sr`, from a bare checkout: its own folders, losses and samplers."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import iqa_sr
from iqa_sr.runtime.packages import is_installed
from tests import ROOT

HEAVY = ("torch", "numpy", "pydantic", "yaml", "basicsr", "scipy", "cv2", "PIL")


@pytest.mark.parametrize("name", ["tests", "setup", "iqa_sr", "benchmarks", "train_sr", "options"])
def test_what_lies_beside_the_package_is_not_a_part_of_it(name):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"iqa_sr.{name}")


def test_walking_the_packages_ends():
    names = [module.name for module in pkgutil.walk_packages(iqa_sr.__path__, "iqa_sr.")]
    assert len(names) == len(set(names)) > 150
    assert not [name for name in names if name.startswith(("iqa_sr.tests", "iqa_sr.iqa_sr", "iqa_sr.setup"))]


def test_every_module_can_be_imported():
    names = [module.name for module in pkgutil.walk_packages(iqa_sr.__path__, "iqa_sr.")]
    for name in names:
        needs_basicsr = name.startswith("iqa_sr.basicsr_compat.installed.")
        if not name.endswith("__main__") and (is_installed("basicsr") or not needs_basicsr):
            importlib.import_module(name)


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("iqa_sr.losses", "IQALoss"),
        ("iqa_sr.losses", "EnsembleIQALoss"),
        ("iqa_sr.losses", "AFINELoss"),
        ("iqa_sr.losses", "LPIPSLoss"),
        ("iqa_sr.metrics", "create_metric"),
        ("iqa_sr.samplers", "GroundTruthSampler"),
        ("iqa_sr.samplers", "ArgmaxOnlineSampler"),
        ("iqa_sr.samplers", "SoftmaxSampler"),
    ],
)
def test_packages_hand_on_their_public_names(package, name):
    module = importlib.import_module(package)
    assert name in module.__all__
    assert getattr(module, name)


def test_losses_and_samplers_are_those_beside_the_package_where_another_checkout_is_installed(tmp_path):
    """A checkout in front of an editable install of another one does not mix the two."""
    for folder in ("iqa_sr", "losses", "samplers"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "iqa_sr").unlink()
    (tmp_path / "iqa_sr").mkdir()
    (tmp_path / "iqa_sr" / "__init__.py").write_text((ROOT / "iqa_sr" / "__init__.py").read_text())
    for folder in ("losses", "samplers"):
        (tmp_path / folder).unlink()
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    code = "import iqa_sr.losses, iqa_sr.samplers; print(iqa_sr.losses.__file__); print(iqa_sr.samplers.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = [str(tmp_path / folder / "__init__.py") for folder in ("losses", "samplers")]
    assert done.stdout.splitlines() == expected


def test_importing_the_package_imports_nothing_heavy():
    code = f"import sys, iqa_sr; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
