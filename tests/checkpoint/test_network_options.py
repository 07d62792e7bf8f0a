"""Which network a checkpoint holds, by the option file of its experiment, one beside it, or one that is given."""

import pytest
import yaml

from iqa_sr.checkpoint.building import network_section
from iqa_sr.checkpoint.loading import load_network
from tests.helpers.checkpoints import ODD_SWINIR, RRDB, SWINIR, same, save_checkpoint
from tests.helpers.sr_datasets import training_options, write_options


def test_the_experiment_of_a_checkpoint_tells_what_shapes_do_not(tmp_path, monkeypatch):
    file = tmp_path / "experiments" / "one" / "models" / "net_g_5.pth"
    network = save_checkpoint(file, ODD_SWINIR)
    write_options(file.parent.parent / "one.yml", training_options(network_g=ODD_SWINIR))
    loaded = load_network(file)
    assert loaded.source.endswith("one.yml") and loaded.section["img_range"] == 255.0 and loaded.assumed == ()
    assert same(loaded, network)
    monkeypatch.chdir(file.parent)
    assert load_network(file.name).section["img_range"] == 255.0


def test_an_option_file_beside_it_that_does_not_fit_is_passed_over(tmp_path):
    network = save_checkpoint(tmp_path / "net.pth", SWINIR)
    write_options(tmp_path / "a.yml", training_options(network_g=RRDB))
    (tmp_path / "b.yml").write_text("jobs: [1, 2]")
    (tmp_path / "c.yml").write_text("{")
    loaded = load_network(tmp_path / "net.pth")
    assert loaded.source == "spandrel" and same(loaded, network)


def test_option_files_that_contradict_each_other_are_refused(tmp_path):
    save_checkpoint(tmp_path / "net.pth", SWINIR)
    write_options(tmp_path / "a.yml", training_options())
    write_options(tmp_path / "b.yml", training_options(network_g=ODD_SWINIR))
    with pytest.raises(ValueError, match=r"these option files fit, but do not say the same: .*a\.yml, .*b\.yml\nGive"):
        load_network(tmp_path / "net.pth")
    assert load_network(tmp_path / "net.pth", options=tmp_path / "b.yml").section["img_range"] == 255.0


def test_an_option_file_may_end_in_yaml(tmp_path):
    save_checkpoint(tmp_path / "net.pth", ODD_SWINIR)
    write_options(tmp_path / "a.yaml", training_options(network_g=ODD_SWINIR))
    assert load_network(tmp_path / "net.pth").source.endswith("a.yaml")


@pytest.mark.parametrize("form", ["file", "content", "section"])
def test_given_options_count(tmp_path, form):
    network = save_checkpoint(tmp_path / "net.pth", ODD_SWINIR)
    content = training_options(network_g=ODD_SWINIR)
    write_options(tmp_path / "a.yml", training_options())
    options = {"file": write_options(tmp_path / "given.txt", content), "content": content, "section": ODD_SWINIR}
    loaded = load_network(tmp_path / "net.pth", options=options[form])
    assert loaded.source == "the given options" and same(loaded, network)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (RRDB, r"net\.pth does not fit RRDBNet:\n  \d+ missing: body\.0\.rdb1"),
        ({"type": "SwinIRR"}, r"network_g:type: there is no network 'SwinIRR'; did you mean SwinIR or "),
        (
            {**RRDB, "blocks": 3},
            r"network_g:blocks: RRDBNet cannot be built with these options: .*unexpected keyword.*blocks",
        ),
        ({**SWINIR, "num_heads": []}, r"network_g: SwinIR cannot be built with these options: (IndexError|num_heads)"),
        ({"type": ["RRDBNet"]}, r"network_g: expected a section with the type of the network, got \{'type': \["),
        ({"name": "x"}, r"network_g: expected a section with the type of the network, got None"),
        ("no.yml", r"option file no\.yml does not exist"),
    ],
)
def test_given_options_that_do_not_fit_are_refused(tmp_path, options, text):
    save_checkpoint(tmp_path / "net.pth", SWINIR)
    with pytest.raises((ValueError, FileNotFoundError), match=text):
        load_network(tmp_path / "net.pth", options=options)


def test_the_section_of_an_option_file(tmp_path):
    (tmp_path / "list.yml").write_text(yaml.safe_dump({"network_g": ["SwinIR"]}))
    with pytest.raises(ValueError, match=r"list\.yml: network_g: expected a section with the type of the network"):
        network_section(tmp_path / "list.yml")
