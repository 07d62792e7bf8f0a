"""Data sets with human labels, in their published layouts: pairs that observers compared, and opinion scores."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from iqa_sr.data.mos import layouts as opinion_layouts
from iqa_sr.data.mos.reference_sets import REFERENCE_FOLDERS, partner_triplets, read_scored_set
from iqa_sr.data.mos.scores import Opinion, own_splits, read_opinions
from iqa_sr.data.multi_gt.manifest import GroundTruthOptions, read_manifest
from iqa_sr.data.preferences.csv_pairs import FILE, read_pair_table
from iqa_sr.data.preferences.records import ALL, HumanLabels, PreferencePair, RatedImage
from iqa_sr.data.preferences.sriqa_bench import read_sriqa_scores, read_sriqa_votes
from iqa_sr.data.preferences.triplet_creation import DIFFIQA_TEST_KINDS, label_pairs, read_diffiqa
from iqa_sr.data.preferences.triplets import Triplet, read_triplets
from iqa_sr.data.problems import DataError, DataProblems
from iqa_sr.data.splits import split_by_content
from iqa_sr.errors import did_you_mean

__all__ = ["LAYOUTS", "LabelOptions", "PairLayout", "read_human_labels"]

_SIDES = {"PSY": "ref<test", "PNY": "ref<test", "PYY": "ref<test", "SNY": "ref>test", "NYY": "ref>test"}
"""A-FINE's two groups of DiffIQA's types of pairs."""


class LabelOptions(NamedTuple):
    """Options for reading the human labels of a data set.

    Attributes:
        file: The file of the labels, for the layouts `pairs-csv`, `triplets` and `mos-csv` and for opinion scores that
            lie in another place; None for the published one.
        part: `train`, `val`, `test` or `all`.
        seed: Seed of the partners and, where the data set names no parts, of its split by content, 7:1:2.
        score_range: Lowest and highest possible score, for `mos-csv`.
        higher_is_better: The scores' direction, for `mos-csv`.
    """

    file: Path | None = None
    part: str = "all"
    seed: int = 0
    score_range: tuple[float, float] | None = None
    higher_is_better: bool | None = None


@dataclass(frozen=True)
class PairLayout:
    """Layout in which human labels are published: its reader and the options that apply.

    Attributes:
        read: Function of the folder and the options that returns the labels.
        options: Names of those `LabelOptions` that apply to the layout.
    """

    read: Callable[[Path, LabelOptions], HumanLabels]
    options: tuple[str, ...] = ()


def read_human_labels(layout: str, root: Path, options: LabelOptions | None = None) -> HumanLabels:
    """Read the human labels of a data set as published.

    Images are not looked for where the labels' own files say what they are called; `diffiqa` and `hggt` have theirs by
    the folders of the images.

    Args:
        layout: Name of the layout, a key of `LAYOUTS`.
        root: The data set's folder.
        options: Settings for reading it; None for the defaults.

    Raises:
        ValueError: If there is no such layout, an option does not apply to it, or a file has another form.
        FileNotFoundError: If a part of the data set is not there.
        ModuleNotFoundError: If a package that reads its files is not installed.
        DataError: If labels or images are missing, double, out of range or cannot be understood; with counts.
    """
    options = options or LabelOptions()
    if layout not in LAYOUTS:
        raise ValueError(f"`layout`: there is no layout {layout!r} of labels; {did_you_mean(layout, LAYOUTS)}")
    for name, default in LabelOptions._field_defaults.items():
        if name not in LAYOUTS[layout].options and getattr(options, name) != default:
            able = ", ".join(key for key, one in LAYOUTS.items() if name in one.options)
            raise ValueError(f"`{name}` does not apply to layout {layout}; it applies to {able}")
    if not root.is_dir():
        raise FileNotFoundError(f"the folder of the data set {root} does not exist")
    try:
        return LAYOUTS[layout].read(root, options)
    except (FileNotFoundError, ValueError) as error:
        text = _as_typed(str(error), layout)
        if text == str(error):
            raise
        raise type(error)(text) from error


def _as_typed(text: str, layout: str) -> str:
    """An error of the readers, which speak of the keys of option files, in the terms of the command line."""
    typed = LAYOUTS[layout].options
    for key, term in (
        ("set dataroot to the folder of", "expected the folder of"),
        (", or scores_file to that file", ", or `file` and that file" if "file" in typed else ""),
        (" (score_range)", " (`score_range`)" if "score_range" in typed else ""),
        ("use split: all", "use `part` all"),
    ):
        text = text.replace(key, term)
    for key, term in (("scores_file ", "`file`: "), ("score_range: ", "`score_range`: ")):
        text = term + text.removeprefix(key) if text.startswith(key) else text
    return text


# --- Pairs ------------------------------------------------------------------------------------------------------------


def _triplet_list(root: Path, options: LabelOptions) -> HumanLabels:
    """A list as `iqa-sr make-triplets` and A-FINE's authors write it, paths below the root."""
    if options.file is None:
        raise ValueError("the layout triplets needs its list; name it with `file` FILE")
    problems = DataProblems()
    triplets = read_triplets(options.file, problems)
    if len(problems):
        raise DataError(problems.summary(str(options.file)))
    by_kind = any(set(triplet.kind) & {"P", "S"} for triplet in triplets)
    return _of_triplets(root, triplets, by_kind)


def _diffiqa(root: Path, options: LabelOptions) -> HumanLabels:
    """The five types of pairs that observers could tell apart; parts as published, or split by the seed."""
    notes: list[str] = []
    parts = read_diffiqa(root, notes)
    if options.part != "all":
        parts = split_by_content(parts[""], options.seed) if "" in parts else parts
        parts = {options.part: parts.get(options.part, [])}
    rated = [one for references in parts.values() for one in references]
    triplets = [triplet for one in rated for triplet in label_pairs(one.reference, one.labels)]
    kept = [triplet for triplet in triplets if triplet.kind in DIFFIQA_TEST_KINDS]
    if not kept:
        raise DataError(f"{root}: the part {options.part} holds no pairs that observers could tell apart")
    return _of_triplets(root, kept, True, notes)


def _hggt(root: Path, options: LabelOptions) -> HumanLabels:
    """HGGT's labels are given against the original, as DiffIQA's are, and make the same types of pairs.

    Two enhanced versions with different labels are a pair although nobody saw them side by side. The original is the
    reference: a full-reference metric always prefers it.
    """
    manifest = read_manifest(GroundTruthOptions(dataroot_gt=(root,)), str(root))
    if len(manifest.problems):
        raise DataError(manifest.problems.summary(str(root)))
    triplets = [
        triplet
        for record in manifest.records
        for triplet in label_pairs(
            record.ground_truths[0].path, {one.path: one.label for one in record.ground_truths if one.label}
        )
    ]
    if not triplets:
        raise DataError(f"{root}: the images have no labels; expected labels/ with A/, B/, C/ as HGGT publishes them")
    return _of_triplets(root, triplets, True, manifest.notes)


def _of_triplets(root: Path, triplets: Iterable[Triplet], by_kind: bool, notes: Iterable[str] = ()) -> HumanLabels:
    """Labels of the first two images of each triplet; the third is what full-reference metrics compare with."""
    pairs, references = list[PreferencePair](), dict[str, str]()
    problems = DataProblems()
    for triplet in triplets:
        # DiffIQA's type does not depend on the order of the two images.
        kind = "".join(sorted(triplet.kind[:2], key="PSNY".index)) + triplet.kind[2:]
        groups = (kind, _SIDES[kind], ALL) if by_kind and kind in DIFFIQA_TEST_KINDS else (ALL,)
        pairs.append(PreferencePair(triplet.reference, triplet.first, triplet.second, triplet.targets[0], groups))
        for key in (triplet.first, triplet.second):
            if references.setdefault(key, triplet.reference) != triplet.reference:
                text = f"{key} is compared with {triplet.reference} and with {references[key]}"
                problems.add("images with two references", text)
    if len(problems):
        raise DataError(problems.summary(str(root)))
    return HumanLabels(root, pairs, references=references, notes=tuple(notes))


# --- Scores -----------------------------------------------------------------------------------------------------------


def _scored_set(name: str, root: Path, options: LabelOptions) -> HumanLabels:
    """Scores, and pairs of partners as A-FINE's authors draw them (theirs are of a random fifth of the references)."""
    scored = read_scored_set(name, root, need_images=False)
    opinions = _part(scored.opinions, options)
    references = {scored.key(one.path): scored.key(scored.references[one.content]) for one in opinions}
    pairs = _of_triplets(root, partner_triplets(scored, opinions, options.seed), False)
    return HumanLabels(root, pairs.pairs, _rated(root, opinions), {**pairs.references, **references})


def _opinions(name: str, root: Path, options: LabelOptions) -> HumanLabels:
    """Scores alone, of images that have no references."""
    if name == "csv" and options.score_range is None:
        raise ValueError("the layout mos-csv needs the lowest and highest possible score, such as `score_range` 1 5")
    opinions = read_opinions(
        name,
        root,
        options.file,
        score_range=options.score_range,
        higher_is_better=options.higher_is_better,
        need_images=False,
    )
    return HumanLabels(root, rated=_rated(root, _part(opinions, options)))


def _rated(root: Path, opinions: Sequence[Opinion]) -> list[RatedImage]:
    return [RatedImage(one.path.relative_to(root).as_posix(), one.content, one.quality) for one in opinions]


def _part(opinions: Sequence[Opinion], options: LabelOptions) -> list[Opinion]:
    """The collection's own part, else the seed's."""
    if options.part == "all":
        return list(opinions)
    own = any(opinion.split is not None for opinion in opinions)
    found = (own_splits(opinions) if own else split_by_content(opinions, options.seed))[options.part]
    if not found:
        raise DataError(f"the part {options.part} holds no images")
    return found


_SCORED_SETS = ("pipal", *REFERENCE_FOLDERS)
LAYOUTS: Mapping[str, PairLayout] = {
    "pairs-csv": PairLayout(
        lambda root, options: read_pair_table(root, options.file or root / FILE, options.part), ("file", "part")
    ),
    "triplets": PairLayout(_triplet_list, ("file",)),
    "hggt": PairLayout(_hggt),
    "diffiqa": PairLayout(_diffiqa, ("part", "seed")),
    "sriqa-bench": PairLayout(lambda root, _: read_sriqa_scores(root)),
    "sriqa-bench-votes": PairLayout(lambda root, _: read_sriqa_votes(root)),
    **{
        name: PairLayout(partial(_scored_set, name), ("part", "seed"))
        if name in _SCORED_SETS
        else PairLayout(partial(_opinions, name), ("file", "part", "seed"))
        for name in sorted({*_SCORED_SETS, *opinion_layouts.LAYOUTS} - {"csv"})
    },
    "mos-csv": PairLayout(partial(_opinions, "csv"), LabelOptions._fields),
}
"""Names of layouts."""
