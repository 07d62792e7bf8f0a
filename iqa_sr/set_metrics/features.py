"""Features of image files, kept by what the files hold: an image is seen by the network once on a machine."""

import hashlib
import io
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from iqa_sr.io.files import atomic_write
from iqa_sr.io.image_stores import ImageStore
from iqa_sr.io.image_tensors import to_levels, to_tensor
from iqa_sr.io.images import decode_image
from iqa_sr.set_metrics.base import FeatureSet
from iqa_sr.set_metrics.networks import FeatureNetwork, FeatureSource
from iqa_sr.set_metrics.patches import Patches
from iqa_sr.weights.cache import CACHE_VARIABLE, cache_folder
from iqa_sr.weights.store import weights_hash

__all__ = ["FeatureReader", "feature_folder"]

AT_ONCE = 16  # images that are read while none is computed
THREADS = 4
# NumPy reads the header with Python's parser, which in some versions (3.11.7) now and then fails when threads share it.
_PARSER = threading.Lock()


def feature_folder() -> Path:
    """The folder in which features are kept, which is made and can be written to.

    Raises:
        OSError: If not; the text says what to do.
    """
    folder = cache_folder() / "set_features"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OSError(
            f"features of images are kept in {folder}, which cannot be written to ({error.strerror}); name another "
            f"folder, {CACHE_VARIABLE}=DIR"
        ) from None


class FeatureReader:
    """Reads features of images, and computes those that are not in the cache.

    The cache lies in `<IQA_SR_CACHE>/set_features/`, a file of 3 to 8 kB for each image or patch, by the SHA-256 of the
    image's file, that of the weights, the resizing and the patches. It may be deleted at any time.

    Args:
        source: Network, weights and resizing.
        patches: Patches that images are cut into; None for whole images.
        device: Device of the network.

    Attributes:
        computed: Number of images whose features were not in the cache.

    Raises:
        FileNotFoundError: If the weights are not there.
    """

    def __init__(
        self, source: FeatureSource, patches: Patches | None = None, device: str | torch.device = "cpu"
    ) -> None:
        self.source, self.patches, self.device = source, patches, device
        self.folder = feature_folder() / f"{source.resizing}-{weights_hash(source.weights)[:16]}"
        self.computed = 0
        self._network: FeatureNetwork | None = None

    def read(self, root: Path, keys: Sequence[str], problems: dict[str, str], progress: bool = True) -> FeatureSet:
        """Features of the images of these keys below a root.

        Args:
            root: Folder that the keys are relative to.
            keys: Keys of the images.
            problems: Errors by path, to which those of images that cannot be used are added; they are left out.
            progress: Whether a bar is shown.
        """
        store = ImageStore(root)
        found: dict[str, np.ndarray] = {}
        with (
            ThreadPoolExecutor(THREADS) as pool,
            tqdm(total=len(keys), unit="image", disable=None if progress else True) as bar,
        ):
            for start in range(0, len(keys), AT_ONCE):
                some = keys[start : start + AT_ONCE]
                read = {key: pool.submit(self._kept_or_cut, store, key) for key in some}
                missing: dict[str, tuple[Path, list[Tensor]]] = {}
                for key, future in read.items():
                    try:
                        path, kept, images = future.result()
                    except (OSError, ValueError) as error:
                        problems[store.location(key)] = str(error)
                        continue
                    if kept is None:
                        missing[key] = path, images
                    else:
                        found[key] = kept
                found |= self._compute(missing)
                bar.update(len(some))
        names = [key for key in keys if key in found]
        units = np.repeat(np.arange(len(names)), [len(found[key]) for key in names])
        rows = np.concatenate([found[key] for key in names]).astype(np.float64) if names else np.empty((0, 0))
        return FeatureSet(rows, units, names)

    def _kept_or_cut(self, store: ImageStore, key: str) -> tuple[Path, np.ndarray | None, list[Tensor]]:
        """The path in the cache, and what is there, or what has to be computed: `(3, h, w)` uint8 each."""
        content = store.read(key)
        digest = hashlib.sha256(content).hexdigest()
        convention = "whole" if self.patches is None else f"patches{self.patches.name}"
        path = self.folder / digest[:2] / f"{digest}-{convention}.npy"
        kept = _kept(path)
        if kept is not None:
            return path, kept, []
        image = to_levels(to_tensor(decode_image(content, store.location(key))))
        return path, None, [image] if self.patches is None else self.patches.cut(image, store.location(key))

    def _compute(self, missing: dict[str, tuple[Path, list[Tensor]]]) -> dict[str, np.ndarray]:
        """Features of images that are not in the cache, by key, of all together; they are there afterwards."""
        if not missing:
            return {}
        if self._network is None:
            self._network = self.source.network(self.source.resizing, self.device)
        rows = self._network([image for _, images in missing.values() for image in images]).numpy()
        if not np.isfinite(rows).all():
            raise ValueError(
                f"{self.source.weights}: its features are not finite; the file is damaged, delete it to have it anew"
            )
        ends = np.cumsum([len(images) for _, images in missing.values()])
        found = dict(zip(missing, np.split(rows, ends[:-1]), strict=True))
        for key, (path, _) in missing.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, _npy(found[key]))
        self.computed += len(missing)
        return found


def _npy(rows: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, rows, allow_pickle=False)
    return file.getvalue()


def _kept(path: Path) -> np.ndarray | None:
    """Features in the cache; None where there are none, or a damaged file, which is computed anew."""
    try:
        content = io.BytesIO(path.read_bytes())
        with _PARSER:
            return np.asarray(np.load(content, allow_pickle=False))
    except (OSError, ValueError, EOFError):
        return None
