"""Downloading weights that are published as a folder: its files one after the other, each as any other file."""

import logging
from dataclasses import replace
from pathlib import Path

from iqa_sr.weights.download import download
from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.shards import CONFIG, INDEXES, find_index, folder_hash, shard_names
from iqa_sr.weights.transfers import check_space

__all__ = ["download_folder"]

logger = logging.getLogger(__name__)

JSON_MEGABYTES = 4  # of a config or an index, which are read whole; those that are known have 0.1


def download_folder(weights: WeightFile, target: Path, dead_hosts: set[str]) -> None:
    """Fetch what is missing of a folder; what is there already stays.

    Args:
        weights: Published folder that is wanted.
        target: Path of the folder.
        dead_hosts: Hosts that did not answer; they are not asked again, and new ones are added.

    Raises:
        OSError: If a file of it cannot be had, with the reason; the others are kept. Or if the disk is too small for
            the whole, before a shard is asked for.
        ValueError: If the index is a damaged one.
    """

    def fetch(name: str) -> None:
        if not (target / name).is_file():
            sources = tuple(source.removesuffix(CONFIG) + name for source in weights.sources)
            largest = JSON_MEGABYTES if name.endswith(".json") else weights.megabytes
            # The hash in the table is that of the whole.
            file = replace(weights, name=f"{weights.name}/{name}", sources=sources, megabytes=largest, sha256="")
            download(file, target / name, dead_hosts)

    fetch(CONFIG)
    reasons = []
    for name in INDEXES:
        if find_index(target) is None:
            try:
                fetch(name)
            except OSError as error:
                reasons.append(f"{name}: {error}")
    index = find_index(target)
    if index is None:
        raise OSError("; ".join(reasons))
    shards = [target / name for name in shard_names(index)]
    if not all(shard.is_file() for shard in shards):
        here = sum(path.stat().st_size for path in target.iterdir())  # parts of shards, too
        check_space(int(weights.megabytes * 1e6) - here, target)
    for shard in shards:
        fetch(shard.name)
    if not weights.sha256:
        logger.warning(
            "%s: no SHA-256 of it is published. What came has %s..., with which it is compared from now on.",
            weights.name,
            folder_hash(target)[:16],
        )
