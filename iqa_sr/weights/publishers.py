"""Who publishes weights, and where: rows of the table that share license, size or addresses."""

import re
from urllib.parse import quote

from iqa_sr.runtime.packages import NeededPackage
from iqa_sr.weights.published_file import WeightFile

__all__ = [
    "COLLECTION",
    "COLLECTION_RELEASE",
    "arniqa",
    "by_collection",
    "clip",
    "collected",
    "hub_folder",
    "liqe",
    "maniqa",
    "musiq",
    "own_training",
    "qualiclip",
    "reiqa",
    "shift_tolerant",
    "torchvision_file",
]

COLLECTION = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/"
COLLECTION_RELEASE = "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/"
COLLECTION_LICENSE = "CC BY-NC-SA 4.0"  # what its page declares; it also asks to respect the originals' licenses
TRANSFORMERS = NeededPackage("transformers", "4.48", "qalign")  # the oldest that the tests have been run with


def _in_name(name: str) -> str:
    """The start of the hash that a name such as vgg16-397923af.pth carries, or nothing."""
    found = re.search(r"-([0-9a-f]{8})\.pth$", name)
    return found.group(1) if found else ""


def torchvision_file(name: str, megabytes: float) -> WeightFile:
    """A backbone of torchvision, whose name carries the start of its hash."""
    license = "no separate statement (torchvision, BSD-3-Clause)"
    source = f"https://download.pytorch.org/models/{name}"
    return WeightFile(name, megabytes, license, "BSD-3-Clause", (source,), _in_name(name))


def clip(name: str, megabytes: float, sha256: str) -> WeightFile:
    """A network of OpenAI's CLIP, at an address that holds its hash."""
    source = f"https://openaipublic.azureedge.net/clip/models/{sha256}/{name}"
    return WeightFile(name, megabytes, "no separate statement (OpenAI CLIP, MIT)", "MIT", (source,), sha256)


def collected(
    name: str,
    megabytes: float,
    license: str,
    code_license: str,
    before: tuple[str, ...] = (),
    sha256: str = "",
    page: str = "",
) -> WeightFile:
    """A file of the IQA-PyTorch collection; `before` lists its authors' own addresses."""
    file = quote(name)
    sources = (*before, COLLECTION + file, COLLECTION_RELEASE + file)
    return WeightFile(name, megabytes, license, code_license, sources, sha256 or _in_name(name), page)


def by_collection(name: str, megabytes: float, what: str) -> WeightFile:
    """A file whose weights the authors of IQA-PyTorch trained or collected."""
    license = f"{COLLECTION_LICENSE} ({what} by IQA-PyTorch)"
    return collected(name, megabytes, license, "PolyForm Noncommercial 1.0.0 / NTU S-Lab 1.0")


def shift_tolerant(name: str, megabytes: float, sha256: str = "") -> WeightFile:
    """ShiftTolerant-LPIPS with one backbone."""
    license = "no separate statement (BSD-2-Clause repository)"
    code_license = "BSD-2-Clause; its blur pooling CC BY-NC-SA 4.0"
    page = "https://github.com/abhijay9/ShiftTolerant-LPIPS"
    return collected(name, megabytes, license, code_license, sha256=sha256, page=page)


def musiq(name: str) -> WeightFile:
    """MUSIQ with the weights of one data set, which the collection converted from its authors'."""
    license = "converted from google-research/musiq (Apache-2.0); no separate statement"
    return collected(name, 108.6, license, "Apache-2.0")


def arniqa(name: str, megabytes: float, sha256: str = "") -> WeightFile:
    """ARNIQA's encoder, or the regressor of one data set: the authors' release, then the collection."""
    own = f"https://github.com/miccunifi/ARNIQA/releases/download/weights/{name}"
    license = "no separate statement (Apache-2.0 repository)"
    return WeightFile(name, megabytes, license, "Apache-2.0", (own, COLLECTION + name), sha256)


def maniqa(name: str, release: str, sha256: str = "") -> WeightFile:
    """MANIQA with the weights of one data set, from the authors' release of that name, then the collection."""
    own = f"https://github.com/IIGROUP/MANIQA/releases/download/{release}/{name}"
    return collected(name, 543.3, "no separate statement (Apache-2.0 repository)", "Apache-2.0", (own,), sha256)


def liqe(name: str) -> WeightFile:
    """LIQE, from its author's fork of the collection, then the collection."""
    own = f"https://github.com/zwx8981/IQA-PyTorch/releases/download/Weights/{name}"
    return collected(name, 353.5, "no separate statement (MIT repository)", "MIT", (own,))


def qualiclip(name: str, sha256: str = "") -> WeightFile:
    """The authors' file and its mirror carry names that differ in their capitals only."""
    own = "https://github.com/miccunifi/QualiCLIP/releases/download/weights/qualiclip.pth"
    mirror = COLLECTION + "QualiCLIP.pth"
    sources = (own, mirror) if name == "qualiclip.pth" else (mirror, own)
    return WeightFile(name, 408.5, "CC BY-NC 4.0", "CC BY-NC 4.0", sources, sha256)


def reiqa(name: str) -> WeightFile:
    """One of Re-IQA's two encoders, which a person fetches."""
    page = "https://github.com/avinabsaha/ReIQA (its README links the file on a cloud drive)"
    return WeightFile(name, 112.1, "no separate statement (MIT repository)", "MIT", page=page)


def hub_folder(name: str, repository: str, megabytes: float, license: str, code_license: str) -> WeightFile:
    """A folder of shards on Hugging Face's hub."""
    address = f"https://huggingface.co/{repository}"
    sources = (f"{address}/resolve/main/config.json",)
    return WeightFile(
        name, megabytes, license, code_license, sources, page=address, is_folder=True, package=TRANSFORMERS
    )


def own_training(name: str, megabytes: float, what: str) -> WeightFile:
    """A file that nobody publishes; `what` says how it is made."""
    return WeightFile(name, megabytes, "your own", "your own", page=f"your own training ({what})")
