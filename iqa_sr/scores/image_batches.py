"""Picture files, alone or in pairs with their references, read in threads in batches of one size."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import PurePosixPath

import torch
from torch import Tensor

from iqa_sr.io.image_stores import PictureStore
from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import decode_image

__all__ = ["PictureBatches", "Pictures", "match_references"]

Pictures = dict[str, Tensor]
"""By key: `(R, 3, H, W)` float RGB in [0, 1]: a picture and, with R = 2, its reference."""


class PictureBatches:
    """Reads one batch ahead of the one in use.

    Args:
        store: Where the pictures are.
        problems: Takes what is wrong with pictures that cannot be read, by key.
        reference_store: Where the references are, if there are any.
        references: The key of each picture's reference in that store.
    """

    def __init__(
        self,
        store: PictureStore,
        problems: dict[str, str],
        reference_store: PictureStore | None = None,
        references: Mapping[str, str] | None = None,
    ) -> None:
        self.store, self.problems = store, problems
        self.reference_store, self.references = reference_store, references or {}
        self.pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))

    def __enter__(self) -> "PictureBatches":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def batches(
        self, missing: Mapping[str, tuple[str, ...]], batch_size: int
    ) -> Iterator[tuple[tuple[str, ...], Pictures]]:
        """The pictures, each batch with the metrics that all of it misses.

        Args:
            missing: The metrics to compute for each key.
            batch_size: Largest number of pictures in a batch.
        """
        groups: dict[tuple[tuple[str, ...], bool, tuple[int, int]], list[str]] = defaultdict(list)
        sizes = {key: self.pool.submit(self.store.inspect, key) for key in missing}
        for key, size in sizes.items():
            try:
                groups[missing[key], key in self.references, size.result()].append(key)
            except (ValueError, OSError) as error:
                self.problems[key] = str(error)
        plan = [
            (names, keys[start : start + batch_size])
            for (names, *_), keys in groups.items()
            for start in range(0, len(keys), batch_size)
        ]
        waiting: list[tuple[tuple[str, ...], dict[str, Future[Tensor]]]] = []
        for names, keys in plan:
            waiting.append((names, {key: self.pool.submit(self._read, key) for key in keys}))
            if len(waiting) == 2:
                yield self._received(*waiting.pop(0))
        for batch in waiting:
            yield self._received(*batch)

    def _received(
        self, names: tuple[str, ...], pictures: "dict[str, Future[Tensor]]"
    ) -> tuple[tuple[str, ...], Pictures]:
        received = {}
        for key, picture in pictures.items():
            try:
                received[key] = picture.result()
            except (ValueError, OSError) as error:
                self.problems[key] = str(error)
        return names, received

    def _read(self, key: str) -> Tensor:
        picture = _decoded(self.store, key)
        if key not in self.references:
            return picture[None]
        assert self.reference_store is not None
        reference = _decoded(self.reference_store, self.references[key])
        if reference.shape != picture.shape:
            sizes = f"{tuple(picture.shape[1:])}, its reference {tuple(reference.shape[1:])} (HxW)"
            raise ValueError(f"size {sizes}: {self.reference_store.location(self.references[key])}")
        return torch.stack([picture, reference])


def match_references(keys: list[str], candidates: list[str]) -> dict[str, str]:
    """For each picture the reference of the same path, or the only one of that path with another suffix.

    Args:
        keys: Paths of the pictures relative to their root.
        candidates: Paths of the references relative to theirs.
    """
    exact = set(candidates)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for candidate in candidates:
        by_stem[_stem(candidate)].append(candidate)
    found = {}
    for key in keys:
        if key in exact:
            found[key] = key
        elif len(by_stem[_stem(key)]) == 1:
            found[key] = by_stem[_stem(key)][0]
    return found


def _stem(key: str) -> str:
    return str(PurePosixPath(key).with_suffix(""))


def _decoded(store: PictureStore, key: str) -> Tensor:
    return to_tensor(decode_image(store.read(key), store.location(key)))
