"""Images that are there, against every positive ground truth of theirs: HGGT's way, for `iqa-sr score`."""

from collections.abc import Sequence
from pathlib import Path

from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, read_manifest
from iqa_sr.data.problems import DataError
from iqa_sr.io.image_stores import ImageStore
from iqa_sr.scores.reference_names import NameTemplate, match_references, proposed_template
from iqa_sr.scores.wanted_scores import References

__all__ = ["positive_references"]


def positive_references(keys: Sequence[str], reference: Path, template: NameTemplate | None = None) -> list[References]:
    """The positives of images, each image's first ones in the first References, and so on.

    Args:
        keys: Paths of the images, by which the originals of the same names are theirs.
        reference: Folder of a data set with several ground truths and labels, in HGGT's layout.
        template: How images are called after their originals; None: as these are.

    Raises:
        FileNotFoundError: If there is no such folder, or no image is called as an original of it.
        DataError: If the data set is damaged, or none of the images has a positive; with counts.
    """
    manifest = read_manifest(GroundTruthOptions(dataroot_gt=(reference,)), "`reference`", progress=False)
    if len(manifest.problems):
        raise DataError(manifest.problems.summary(str(reference)))
    originals = {f"{record.name}.png": record for record in manifest.records}  # the suffix of a name, whatever it is
    found = match_references(keys, list(originals), template).found
    if not found:
        proposal = proposed_template(keys, list(originals))
        raise FileNotFoundError(
            f"none of the {len(keys)} images ({keys[0]}, ...) is called as one of the {len(originals)} originals of "
            f"{reference} ({manifest.records[0].name}, ...)" + (f"\n{proposal.text}" if proposal else "")
        )
    positives = {
        key: [originals[name].ground_truths[index].path for index in originals[name].positives]
        for key, name in found.items()
    }
    most = max(map(len, positives.values()))
    if not most:
        raise DataError(
            f"`reference`: {reference} has no positive ground truth of the {len(found)} images; expected HGGT's label "
            "files in labels/ beside images/"
        )
    problems = {key: "no original of the same name" for key in keys if key not in found}
    problems |= {key: "no positive ground truth" for key, paths in positives.items() if not paths}
    store, passes = ImageStore(manifest.root), []
    for number in range(most):
        own = {key: paths[number] for key, paths in positives.items() if len(paths) > number}
        names = {key: f"{reference.name}/{path}" for key, path in own.items()}
        passes.append(References(store, own, names, problems))
    return passes
