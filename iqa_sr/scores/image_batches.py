"""Image files, alone or in pairs with their references, read in threads in batches of one size."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import torch
from torch import Tensor

from iqa_sr.io.image_stores import ImageStore
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import decode_image

__all__ = ["MEGAPIXELS", "ImageBatches", "Images", "read_digests"]

MEGAPIXELS = 4.0
"""Of all images of a batch together, as long as it has several: what a metric keeps of each pixel may be kilobytes."""

Images = dict[str, Tensor]
"""By key: `(R, 3, H, W)` float RGB in [0, 1]: an image and, with R = 2, its reference."""


class ImageBatches:
    """Reads one batch ahead of the one in use.

    Args:
        store: Store of the images.
        problems: Errors by image key, to which those of images that cannot be read are added.
        reference_store: Store of the references, if there are any.
        references: Key of each image's reference in that store.

    Attributes:
        digests: Digests of every image that was read, by key: those of its file and of its reference's file, as
            `digest_of` gives them; the latter is empty where there is none.
    """

    def __init__(
        self,
        store: ImageStore,
        problems: dict[str, str],
        reference_store: ImageStore | None = None,
        references: Mapping[str, str] | None = None,
    ) -> None:
        self.store, self.problems = store, problems
        self.reference_store, self.references = reference_store, references or {}
        self.digests: dict[str, tuple[str, str]] = {}
        self.pool = ThreadPoolExecutor(_threads())

    def __enter__(self) -> "ImageBatches":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def batches(
        self, missing: Mapping[str, tuple[str, ...]], batch_size: int
    ) -> Iterator[tuple[tuple[str, ...], Images]]:
        """The images, each batch with the metrics that all of it misses.

        Args:
            missing: The metrics to compute for each key.
            batch_size: Largest number of images in a batch; fewer where these would be more than `MEGAPIXELS`.
        """
        groups: dict[tuple[tuple[str, ...], bool, tuple[int, int]], list[str]] = defaultdict(list)
        sizes = {key: self.pool.submit(self.store.inspect, key) for key in missing}
        for key, size in sizes.items():
            try:
                groups[missing[key], key in self.references, size.result()].append(key)
            except (ValueError, OSError) as error:
                self.problems[key] = str(error)
        plan: list[tuple[tuple[str, ...], list[str]]] = []
        for (names, _, (height, width)), keys in groups.items():
            count = max(1, min(batch_size, int(MEGAPIXELS * 1e6 / (height * width))))
            plan += [(names, keys[start : start + count]) for start in range(0, len(keys), count)]
        waiting: list[tuple[tuple[str, ...], dict[str, Future[Tensor]]]] = []
        for names, keys in plan:
            waiting.append((names, {key: self.pool.submit(self._read, key) for key in keys}))
            if len(waiting) == 2:
                yield self._received(*waiting.pop(0))
        for batch in waiting:
            yield self._received(*batch)

    def _received(self, names: tuple[str, ...], images: "dict[str, Future[Tensor]]") -> tuple[tuple[str, ...], Images]:
        received = {}
        for key, image in images.items():
            try:
                received[key] = image.result()
            except (ValueError, OSError, MemoryError) as error:
                self.problems[key] = str(error) or "memory does not suffice to read it"
        return names, received

    def _read(self, key: str) -> Tensor:
        image, digest = _decoded(self.store, key)
        if key not in self.references:
            self.digests[key] = digest, ""
            return image[None]
        assert self.reference_store is not None
        reference, reference_digest = _decoded(self.reference_store, self.references[key])
        if reference.shape != image.shape:
            sizes = f"{tuple(image.shape[1:])}, its reference {tuple(reference.shape[1:])} (HxW)"
            raise ValueError(f"size {sizes}: {self.reference_store.location(self.references[key])}")
        self.digests[key] = digest, reference_digest
        return torch.stack([image, reference])


def _decoded(store: ImageStore, key: str) -> tuple[Tensor, str]:
    content = store.read(key)
    return to_tensor(decode_image(content, store.location(key))), digest_of(content)


def _threads() -> int:
    return min(8, os.cpu_count() or 1)


# --- What files are ---------------------------------------------------------------------------------------------------


def digest_of(content: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file: the column `sha256` of a score table."""
    return hashlib.sha256(content).hexdigest()[:16]


def read_digests(store: ImageStore, keys: Iterable[str]) -> dict[str, str]:
    """Digests of the files of these keys; those that cannot be read are left out."""
    found: dict[str, str] = {}

    def read(key: str) -> None:
        with suppress(OSError, ValueError):
            found[key] = digest_of(store.read(key))

    with ThreadPoolExecutor(_threads()) as pool:
        list(pool.map(read, dict.fromkeys(keys)))
    return found
