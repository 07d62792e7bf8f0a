"""Manifests of small data sets, what is in them, and LMDB folders."""

from pathlib import Path

import cv2
import lmdb
import numpy as np

from iqa_sr.config.sections import read_section
from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, read_manifest


def manifest_of(root, **options):
    return read_manifest(GroundTruthOptions(dataroot_gt=Path(root), **options))


def paths(record):
    return [gt.path for gt in record.ground_truths]


def texts(problems):
    return [problem.text for problem in problems]


def manifest_of_roots(roots, **options):
    section = {"dataroot_gt": [str(root) for root in roots], **options}
    return read_manifest(read_section(GroundTruthOptions, section, "datasets:train"))


def write_lmdb(path, images):
    """An LMDB folder as BasicSR's create_lmdb makes it."""
    environment = lmdb.open(str(path), map_size=1 << 24)
    with environment.begin(write=True) as transaction:
        for key, pixels in images.items():
            done, content = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
            assert done and transaction.put(key.encode(), content.tobytes())
    environment.close()
    lines = [f"{key}.png ({','.join(map(str, pixels.shape))}) 1" for key, pixels in images.items()]
    (path / "meta_info.txt").write_text("\n".join(lines) + "\n")
