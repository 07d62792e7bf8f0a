"""What a run may begin with: the weights in any usual form of file, the key found and named, a wrong key refused."""

import copy

import pytest
import torch
from safetensors.torch import save_file

from iqa_sr import plugin
from iqa_sr.basicsr_compat import MODEL_REGISTRY, build_network
from iqa_sr.checkpoint.merging import merge_adapters
from iqa_sr.data.creation.enhanced_gts import find_enhancer
from iqa_sr.errors import OptionError
from iqa_sr.io.network_states import state_digest
from iqa_sr.lora.adapter_files import BaseNetwork, save_adapter
from iqa_sr.lora.injection import LoRAOptions, inject
from iqa_sr.training.run_config import RunConfig
from tests.helpers.sr_datasets import training_options
from tests.helpers.tiny_networks import SECTION, tiny_network

GAN = {
    "train__gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1},
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
    "train__optim_d": {"type": "Adam", "lr": 1e-3},
}

pytestmark = pytest.mark.usefixtures("empty_folder")


def weights(seed=0):
    return tiny_network(seed).state_dict()


def built(**changes):
    """The model of a run, as far as its networks."""
    options = training_options(network_g=SECTION, **changes)
    config = RunConfig.from_options(options)
    return MODEL_REGISTRY.get(options["model_type"])(config.basicsr_opt(), config.model)


def begins_with(network, expected):
    return all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


FORMS = {
    "bare state dict": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state, "optimizer": {"lr": 1.0}},
    "params": lambda state: {"params": state},
    "params_ema alone": lambda state: {"params_ema": state},
    "a key of one's own": lambda state: {"weights_of_mine": state},
    "DataParallel": lambda state: {"params": prefixed(state, "module.")},
    "torch.compile in DataParallel": lambda state: prefixed(state, "module._orig_mod."),
    "Lightning, with a loss": lambda state: {
        "state_dict": {**prefixed(state, "net_g."), "loss.vgg.weight": torch.zeros(1)}
    },
    "a GAN in one file": lambda state: {"net_d": {"conv.weight": torch.zeros(1)}, "net_g": state},
}


@pytest.mark.parametrize("ema", [0, 0.9])
@pytest.mark.parametrize("form", FORMS)
def test_a_run_begins_with_the_weights_of_any_usual_file(form, ema):
    state = weights()
    torch.save(FORMS[form](state), "net.pth")
    model = built(path__pretrain_network_g="net.pth", train__ema_decay=ema)
    assert begins_with(model.net_g, state)
    assert not ema or begins_with(model.net_g_ema, state)


@pytest.mark.parametrize("ema", [0, 0.9])
def test_a_run_begins_with_what_merge_writes(ema):
    network = tiny_network()
    torch.save({"params": network.state_dict()}, "base.pth")
    base = BaseNetwork(network=SECTION, file="base.pth", digest=state_digest(network.state_dict()))
    adapted = copy.deepcopy(network)
    inject(adapted, LoRAOptions(rank=1, target_modules=["conv_first"]))
    save_adapter(adapted, "adapter", base)
    merge_adapters("base.pth", ["adapter"], output="merged.safetensors")
    model = built(path__pretrain_network_g="merged.safetensors", train__ema_decay=ema)
    assert begins_with(model.net_g, network.state_dict())
    assert not ema or begins_with(model.net_g_ema, network.state_dict())


def test_of_both_weights_the_network_takes_the_current_and_its_average_the_averaged():
    torch.save({"params_ema": weights(1), "params": weights(0)}, "net.pth")
    model = built(path__pretrain_network_g="net.pth")
    assert begins_with(model.net_g, weights(0)) and begins_with(model.net_g_ema, weights(1))
    model = built(path__pretrain_network_g="net.pth", path__param_key_g="params_ema")
    assert begins_with(model.net_g, weights(1)) and begins_with(model.net_g_ema, weights(1))


def test_a_named_key_is_the_one_that_is_read_and_the_log_names_it(caplog):
    torch.save({"params": weights(0), "mine": weights(1)}, "net.pth")
    with caplog.at_level("INFO"):
        model = built(path__pretrain_network_g="net.pth", path__param_key_g="mine")
    assert begins_with(model.net_g, weights(1)) and begins_with(model.net_g_ema, weights(1))
    said = {record.getMessage() for record in caplog.records if "Loaded" in record.getMessage()}
    assert said == {"Loaded MSRResNet from net.pth (mine)."}
    torch.save(weights(0), "bare.pth")
    caplog.clear()
    with caplog.at_level("INFO"):
        built(path__pretrain_network_g="bare.pth", train__ema_decay=0)
    assert "Loaded MSRResNet from bare.pth (the file is the state dict)." in caplog.text


@pytest.mark.parametrize(
    ("content", "key", "said"),
    [
        ({"params": 0, "params_ema": 1}, "params_em", "did you mean params_ema or params? It has params, params_ema."),
        ({"params": 0}, "params_ema", "did you mean params? It has params."),
        ({"params_ema": 0}, "params", "did you mean params_ema? It has params_ema."),
        ({"state_dict": 0, "model": 1}, "generator", "valid: model, state_dict"),
        (None, "params", "the weights are the file itself: name no key"),
    ],
)
def test_a_key_that_is_named_and_not_there_is_refused(content, key, said):
    torch.save(weights() if content is None else {name: weights(seed) for name, seed in content.items()}, "net.pth")
    with pytest.raises(OptionError) as caught:
        built(path__pretrain_network_g="net.pth", path__param_key_g=key)
    first, second = str(caught.value).splitlines()
    assert first == f"path:param_key_g: net.pth has no weights {key!r}; {said}"
    assert second == "Leave it out, and the weights that fit are found."


def test_the_discriminator_begins_likewise():
    plugin.register()
    discriminator = build_network(GAN["network_d"])
    torch.save({"net_g": weights(), "net_d": discriminator.state_dict()}, "gan.pth")
    torch.save(discriminator.state_dict(), "bare.pth")
    model = built(**GAN, path__pretrain_network_d="bare.pth", path__pretrain_network_g="gan.pth")
    assert begins_with(model.net_d, discriminator.state_dict()) and begins_with(model.net_g, weights())
    with pytest.raises(OptionError, match="path:param_key_d: bare.pth has no weights 'params_ema'; the weights are"):
        built(**GAN, path__pretrain_network_d="bare.pth", path__param_key_d="params_ema")


def test_a_file_without_the_weights_says_what_is_missing_and_repeats_no_advice():
    torch.save({"params": {"other.weight": torch.zeros(1)}}, "net.pth")
    with pytest.raises(ValueError, match=r"net\.pth does not fit MSRResNet:\n  12 missing") as caught:
        built(path__pretrain_network_g="net.pth")
    assert "param_key" not in str(caught.value)


def test_an_enhancer_is_read_likewise_and_runs_no_code():
    pytest.importorskip("spandrel")
    network = tiny_compact()
    save_file(network.state_dict(), "net.safetensors")
    torch.save({"model": prefixed(network.state_dict(), "module.")}, "net.pth")
    names = [find_enhancer(file).parameters["architecture"] for file in ("net.safetensors", "net.pth")]
    assert len(set(names)) == 1
    torch.jit.script(torch.nn.Conv2d(3, 3, 1)).save("script.pt")
    with pytest.raises(ValueError, match=r"`enhancers` script\.pt: spandrel cannot load it"):
        find_enhancer("script.pt")


def tiny_compact():
    return build_network({"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 1})
