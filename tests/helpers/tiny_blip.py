"""BLIP as transformers has it, small and random, and the files of a text encoder made of it."""

import torch
from transformers import BlipConfig, BlipForImageTextRetrieval

from tests.synthetic.augmentiq import TEXT_WIDTH

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "##s", "sharp", "photo", "of"]


def tiny_blip():
    torch.manual_seed(7)
    text = {"vocab_size": 11, "hidden_size": TEXT_WIDTH, "encoder_hidden_size": 128, "intermediate_size": 96}
    text |= {"num_hidden_layers": 2, "num_attention_heads": 1, "max_position_embeddings": 40}
    text |= {"bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    vision = {"hidden_size": 128, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 2}
    vision |= {"image_size": 32, "patch_size": 8, "layer_norm_eps": 1e-6}
    network = BlipForImageTextRetrieval(BlipConfig(text_config=text, vision_config=vision)).eval()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.1)
    return network


def write_text_encoder(folder, network):
    """The files of the text encoder, under the names of BLIP's authors."""
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    state = {f"blip.{_original(key)}": value for key, value in network.state_dict().items()}
    state["blip.text_encoder.embeddings.position_ids"] = torch.arange(40)[None]
    state["mlp.layers.0.weight"] = torch.zeros(1024, 768)
    torch.save(state, folder / "ImageReward.pt")
    return folder


def _original(key):
    for new, old in (
        ("vision_model.embeddings.class_embedding", "visual_encoder.cls_token"),
        ("vision_model.embeddings.position_embedding", "visual_encoder.pos_embed"),
        ("vision_model.embeddings.patch_embedding", "visual_encoder.patch_embed.proj"),
        ("vision_model.post_layernorm", "visual_encoder.norm"),
        ("vision_model.encoder.layers", "visual_encoder.blocks"),
        ("self_attn.projection", "attn.proj"),
        ("self_attn.qkv", "attn.qkv"),
        ("layer_norm", "norm"),
    ):
        key = key.replace(new, old)
    return key
