"""Scoring image files: every one once, the same scores in whatever batches, shards and attempts."""

import shutil

import numpy as np
import pytest
import torch

from iqa_sr.io.image_tensors import to_tensor
from iqa_sr.io.images import read_image, write_image
from iqa_sr.metrics import create_metric
from iqa_sr.scores import scoring
from iqa_sr.scores.score_table import ScoreTable
from iqa_sr.scores.scoring import find_images, score_images
from iqa_sr.scores.table_shards import merge_tables, shard_path, unfinished_shards
from tests.helpers.golden_images import photo

KEYS = ["01/p0.png", "01/p1.webp", "01/p2.png", "original/p0.png", "original/p1.png", "original/p2.png"]


def pixels(**where):
    return np.ascontiguousarray((photo(**where) * 255).byte().permute(1, 2, 0).numpy())


@pytest.fixture
def root(tmp_path):
    """Six images of two sizes in two folders, and files that are none."""
    for number, key in enumerate(KEYS):
        write_image(tmp_path / "data" / key, pixels(left=30 * number, width=192 + 96 * (number % 2)))
    (tmp_path / "data" / "notes.txt").write_text("no image")
    (tmp_path / "data" / ".cache").mkdir()
    shutil.copy(tmp_path / "data" / KEYS[0], tmp_path / "data" / ".cache")
    return tmp_path / "data"


def one_by_one(root, name, keys=KEYS):
    metric = create_metric(name)
    return {key: metric(to_tensor(read_image(root / key))[None]).item() for key in keys}


def test_finds_images_as_records_name_them(root):
    assert find_images(root) == KEYS


def test_finds_images_in_lmdb_folders(root, tmp_path):
    import lmdb

    folder = tmp_path / "data" / "02.lmdb"
    with lmdb.open(str(folder), map_size=2**22) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"p0", (root / KEYS[0]).read_bytes())
    (folder / "meta_info.txt").write_text("p0.png (192,192,3) 1\n")
    assert "02.lmdb/p0" in find_images(root)
    score_images(root, ["niqe"], tmp_path / "scores.csv", progress=False)
    scores = ScoreTable.read(tmp_path / "scores.csv").lookup("niqe")
    assert scores["02.lmdb/p0"] == scores[KEYS[0]]


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_scores_are_those_of_single_images(root, tmp_path, batch_size):
    result = score_images(
        root, ["niqe", "niqe-basicsr"], tmp_path / "scores.csv", batch_size=batch_size, progress=False
    )
    table = ScoreTable.read(tmp_path / "scores.csv")
    assert (result.scored, result.kept, result.problems) == (12, 0, {})
    assert table.lookup("niqe") == pytest.approx(one_by_one(root, "niqe"), rel=1e-5)
    assert table.lookup("niqe-basicsr") == pytest.approx(one_by_one(root, "niqe-basicsr"), rel=1e-5)


def test_does_not_score_again_what_is_there(root, tmp_path, monkeypatch):
    output = tmp_path / "scores.csv"
    calls = []
    real = scoring._score
    monkeypatch.setattr(scoring, "_score", lambda images, *rest: calls.append(len(images)) or real(images, *rest))
    score_images(root, ["niqe"], output, progress=False)
    write_image(root / "original" / "new.png", pixels(top=100))
    result = score_images(root, ["niqe"], output, progress=False)
    assert (result.scored, result.kept) == (1, 6)
    result = score_images(root, ["niqe", "niqe-basicsr"], output, progress=False)
    assert (result.scored, result.kept) == (7, 7)
    assert sum(calls) == 6 + 1 + 7


def test_resumes_after_an_interruption(root, tmp_path, monkeypatch):
    output = tmp_path / "scores.csv"
    real, calls = ScoreTable.append, []

    def interrupted(self, rows):
        calls.append(rows)
        if len(calls) == 6:
            raise KeyboardInterrupt
        real(self, rows)

    monkeypatch.setattr(ScoreTable, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_images(root, ["niqe"], output, batch_size=1, progress=False)
    monkeypatch.undo()
    before = len(ScoreTable.read(output))
    assert 0 < before < 6
    output.write_bytes(output.read_bytes() + b",original/p1.png,,niqe,0.12")  # torn by the crash
    result = score_images(root, ["niqe"], output, batch_size=1, progress=False)
    assert (result.kept, result.scored) == (before, 6 - before)
    assert ScoreTable.read(output).lookup("niqe") == pytest.approx(one_by_one(root, "niqe"), rel=1e-5)


@pytest.mark.parametrize("world", [1, 2, 4, 9])
def test_shards_together_are_the_whole(root, tmp_path, world):
    output = tmp_path / "scores.csv"
    for rank in range(world):
        score_images(root, ["niqe"], output, shard=(rank, world), progress=False)
    shards = [shard_path(output, (rank, world)) for rank in range(world)]
    assert unfinished_shards(output) == (sorted(shards) if world > 1 else [])
    merge_tables(shards, output)
    table = ScoreTable.read(output)
    assert [row.image for row in table.rows] == KEYS
    assert table.lookup("niqe") == pytest.approx(one_by_one(root, "niqe"), rel=1e-5)
    for rank in range(world):
        assert score_images(root, ["niqe"], output, shard=(rank, world), progress=False).scored == 0


def test_bad_images_are_named_and_the_rest_scored(root, tmp_path):
    (root / "01" / "p3.png").write_bytes(b"no image")
    (root / "01" / "p4.png").write_bytes((root / KEYS[0]).read_bytes()[:3000])
    write_image(root / "01" / "p5.png", pixels(height=100, width=100))
    result = score_images(root, ["niqe"], tmp_path / "scores.csv", progress=False)
    assert result.scored == 6
    assert sorted(result.problems) == ["01/p3.png", "01/p4.png", "01/p5.png"]
    assert str(root / "01" / "p3.png") in result.problems["01/p3.png"]
    assert "niqe needs images of at least 192x192 px, got 100x100" in result.problems["01/p5.png"]
    assert sorted(ScoreTable.read(tmp_path / "scores.csv").lookup("niqe")) == KEYS


def test_what_cannot_be_done_is_said_before_anything_is_written(root, tmp_path):
    output = tmp_path / "scores.csv"
    with pytest.raises(ValueError, match="there is no metric 'nige'; did you mean niqe"):
        score_images(root, ["nige"], output)
    with pytest.raises(ValueError, match="psnr compares with a reference image"):
        score_images(root, ["niqe", "psnr"], output)
    with pytest.raises(FileNotFoundError, match="absent does not exist"):
        score_images(root / "absent", ["niqe"], output)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images found in .*empty; looked for \.bmp"):
        score_images(tmp_path / "empty", ["niqe"], output)
    assert not output.exists()


def test_merging_contradicting_tables_is_refused(tmp_path):
    for name, spec in (("a.csv", "one"), ("b.csv", "other")):
        (tmp_path / name).write_text(f'# {{"name": "niqe", "higher_is_better": false, "spec": "{spec}"}}\n')
    with pytest.raises(ValueError, match="two kinds of niqe"):
        merge_tables([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()


def test_images_of_16_bits_are_scored_as_they_are(root, tmp_path):
    write_image(root / "original" / "deep.png", pixels().astype(np.uint16) * 257)
    write_image(root / "original" / "flat.png", pixels())
    score_images(root, ["niqe"], tmp_path / "scores.csv", progress=False)
    scores = ScoreTable.read(tmp_path / "scores.csv").lookup("niqe")
    assert scores["original/deep.png"] == pytest.approx(scores["original/flat.png"], rel=1e-5)
    assert torch.tensor(list(scores.values())).isfinite().all()


# --- Against references -----------------------------------------------------------------------------------------------


@pytest.fixture
def references(root, tmp_path):
    """References of five of the six images, one with another suffix and one of another size."""
    folder = tmp_path / "HR"
    for key in KEYS[:5]:
        image = read_image(root / key)
        changed = (image * 0.9).astype(np.uint8) if key != KEYS[2] else image[:-2]
        write_image(folder / key.replace(".webp", ".png"), changed)
    return folder


def test_full_reference_scores_are_those_of_single_pairs(root, references, tmp_path):
    output = tmp_path / "scores.csv"
    result = score_images(root, ["psnr", "niqe"], output, reference=references, progress=False)
    table = ScoreTable.read(output)
    psnr, scored = create_metric("psnr"), [KEYS[0], KEYS[1], KEYS[3], KEYS[4]]
    for key in scored:
        other = key.replace(".webp", ".png")
        pair = [to_tensor(read_image(path))[None] for path in (root / key, references / other)]
        found = table.lookup("psnr", reference=f"HR/{other}")
        assert found == {key: pytest.approx(psnr(*pair).item(), rel=1e-6)}
    assert result.problems == {KEYS[2]: result.problems[KEYS[2]], KEYS[5]: "no reference of the same name"}
    assert "its reference (190, 192) (HxW)" in result.problems[KEYS[2]]
    assert set(table.lookup("niqe")) == {*scored, KEYS[5]}, "what needs no reference is scored without one"
    again = score_images(root, ["psnr", "niqe"], output, reference=references, progress=False)
    assert again.scored == 0 and again.kept == result.scored


def test_one_image_against_one(root, references):
    result = score_images(root / KEYS[0], ["psnr"], reference=references / KEYS[4], progress=False)
    (row,) = result.table.rows
    assert (row.image, row.reference, row.metric) == ("p0.png", "p1.png", "psnr")


def test_a_folder_without_any_matching_reference_is_an_error(root, tmp_path):
    write_image(tmp_path / "other" / "x.png", pixels())
    with pytest.raises(FileNotFoundError, match=r"none of the 6 images of .* has a reference .* x.png"):
        score_images(root, ["psnr"], reference=tmp_path / "other")


def test_numbers_carry_their_variant_and_the_hash_of_their_weights(root, tmp_path, synthetic):
    output = tmp_path / "scores.csv"
    with synthetic("ARNIQA.pth", "regressor_koniq10k.pth"):
        score_images(root / KEYS[0], ["arniqa"], output, progress=False)
    first = output.read_text().splitlines()[0]
    assert "ARNIQA.pth sha256 " in first and "regressor_koniq10k.pth sha256 " in first
