"""Which reference belongs to which image: templates of names, and those that are proposed."""

import pytest

from iqa_sr.scores.reference_names import NameTemplate, match_references, proposed_template


@pytest.mark.parametrize(
    ("template", "key", "stem"),
    [
        ("{}_SwinIR_x4.png", "set/a_SwinIR_x4.png", "set/a"),
        ("{}_SwinIR_x4", "set/a_SwinIR_x4.webp", "set/a"),
        ("{}_SwinIR_x4.png", "a_SwinIR_x4.webp", None),
        ("{}x4", "img.1x4.png", "img.1"),
        ("{}x1.5", "ax1.5.png", "a"),  # what follows the point is no suffix of an image
        ("SwinIR-{}", "SwinIR-a.png", "a"),
        ("out_{}_x4", "out_a_x4.png", "a"),
        ("out_{}_x4", "out_x4.png", None),
        ("{}_x4", "_x4.png", None),
        ("{}_x4", "a.png", None),
        ("{}", "a.png", "a"),
        ("aba{}aba", "abaaba.png", None),
        ("aba{}aba", "ababa.png", None),
    ],
)
def test_the_part_of_a_name_that_is_its_references(template, key, stem):
    assert NameTemplate(template).stem(key) == stem


@pytest.mark.parametrize("text", ["_x4.png", "{}_{}", "set/{}_x4", "set\\{}_x4", ""])
def test_templates_without_one_gap_or_with_folders_are_refused(text):
    with pytest.raises(ValueError, match=r"`template`: expected the name of an image with \{\} once .* got "):
        NameTemplate(text)


def test_with_a_template_an_image_of_the_same_name_is_no_reference():
    """The folder has both: results of another network among the references, say."""
    keys, candidates = ["a_x4.png", "b_x4.png", "c.png"], ["a_x4.png", "a.bmp", "b.png", "b.jpg", "c.png"]
    found, ambiguous = match_references(keys, candidates, NameTemplate("{}_x4"))
    assert found == {"a_x4.png": "a.bmp"} and ambiguous == {"b_x4.png": ["b.png", "b.jpg"]}


def test_the_template_of_most_images_is_proposed():
    keys = ["s/a_N_x4.png", "s/b_N_x4.png", "s/b_x2.png", "s/none.png", "other/a_N_x4.png"]
    proposal = proposed_template(keys, ["s/a.png", "s/b.jpg", "s/ab.png"])
    assert proposal is not None
    assert proposal.text == "`suffix` _N_x4 gives 2 of them one: s/a_N_x4.png is compared with s/a.png"
    assert proposed_template(["x.png"], ["y.png"]) is None


def test_names_of_references_are_as_long_as_may_be_and_may_come_last():
    found = proposed_template(["img_1_x4.png"], ["img.png", "img_1.png"])
    assert found is not None and found.template.text == "{}_x4" and found.example[1] == "img_1.png"
    found = proposed_template(["SwinIR_a.png"], ["a.png"])
    assert found is not None and found.text.startswith("`template` 'SwinIR_{}' gives 1 of them one")
    found = proposed_template(["a-x4.png"], ["a.png"])  # after --suffix it would be taken for an argument
    assert found is not None and found.text.startswith("`template` '{}-x4' gives 1 of them one")


@pytest.mark.parametrize(
    ("image", "reference", "key", "stem"),
    [
        ("{}", "{}_HR", "set/a.png", "set/a_HR"),
        ("{}_SR", "{}_HR.png", "set/a_SR.jpg", "set/a_HR"),
        ("{}_SRF_4_SR", "img-{}_SRF_4_HR", "a_SRF_4_SR.png", "img-a_SRF_4_HR"),
        ("{}_SR", "{}_HR", "a.png", None),
    ],
)
def test_names_of_references_that_have_an_end_of_their_own(image, reference, key, stem):
    assert NameTemplate(image, reference).stem(key) == stem


def test_references_of_a_template_with_a_suffix_are_those_of_that_suffix():
    keys, candidates = ["a.png", "b.png"], ["a_HR.png", "a_HR.bmp", "a.png", "b_HR.png"]
    found, ambiguous = match_references(keys, candidates, NameTemplate("{}", "{}_HR.png"))
    assert found == {"a.png": "a_HR.png", "b.png": "b_HR.png"} and not ambiguous
    found, ambiguous = match_references(keys, candidates, NameTemplate("{}", "{}_HR"))
    assert found == {"b.png": "b_HR.png"} and ambiguous == {"a.png": ["a_HR.png", "a_HR.bmp"]}


@pytest.mark.parametrize("text", ["_HR.png", "{}{}", "HR/{}", ""])
def test_templates_of_references_without_one_gap_are_refused(text):
    with pytest.raises(
        ValueError, match=r"`reference_template`: expected the name of a reference with \{\} once .* got "
    ):
        NameTemplate("{}", text)


@pytest.mark.parametrize(
    ("keys", "candidates", "text"),
    [
        (
            ["s/a_SR.png", "s/b_SR.png", "s/c.png"],
            ["s/a_HR.png", "s/b_HR.png"],
            "`suffix` _SR `reference_template` '{}_HR' gives 2 of them one: s/a_SR.png is compared with s/a_HR.png",
        ),
        (
            ["a.png", "b.png"],
            ["a_SRF_4_HR.png", "b_SRF_4_HR.png"],
            "`reference_template` '{}_SRF_4_HR' gives 2 of them one: a.png is compared with a_SRF_4_HR.png",
        ),
        (
            ["a_x4.png", "b_x4.png"],
            ["a.png", "b.png"],
            "`suffix` _x4 gives 2 of them one: a_x4.png is compared with a.png",
        ),
        (
            ["img_1_HR_N.png", "img_2_HR_N.png"],
            ["img_1_HR.png", "img_2_HR.png"],
            "`suffix` _N gives 2 of them one: img_1_HR_N.png is compared with img_1_HR.png",
        ),
    ],
)
def test_what_all_references_end_in_is_proposed_too(keys, candidates, text):
    found = proposed_template(keys, candidates)
    assert found is not None and found.text == text
