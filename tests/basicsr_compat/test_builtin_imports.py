"""What stands in for BasicSR does without it, and is registered under the names that option files use."""

import subprocess
import sys

from tests import ROOT

NETWORKS = {"EDSR", "MSRResNet", "RRDBNet", "SRVGGNetCompact", "SwinIR", "UNetDiscriminatorSN", "VGGFeatureExtractor"}
NETWORKS |= {"VGGStyleDiscriminator"}
LOSSES = {"CharbonnierLoss", "GANLoss", "L1Loss", "MSELoss", "PerceptualLoss", "WeightedTVLoss"}

# The folder above, which may import BasicSR, is an empty module here.
CODE = """
import importlib, pathlib, sys, types
sys.modules["basicsr"] = None
folder = types.ModuleType("iqa_sr.basicsr_compat")
folder.__path__ = ["iqa_sr/basicsr_compat"]
sys.modules[folder.__name__] = folder
for path in sorted(pathlib.Path("iqa_sr/basicsr_compat/builtin").glob("*.py")):
    importlib.import_module(f"iqa_sr.basicsr_compat.builtin.{path.stem}")
assert not [name for name in sys.modules if name.startswith("basicsr.")]
from iqa_sr.basicsr_compat.builtin import registry
for one in (registry.ARCH_REGISTRY, registry.LOSS_REGISTRY, registry.DATASET_REGISTRY):
    print(*one.keys())
"""


def test_nothing_imports_basicsr():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    networks, losses, datasets = (set(line.split()) for line in done.stdout.splitlines())
    assert networks >= NETWORKS and losses >= LOSSES and "PairedImageDataset" in datasets
