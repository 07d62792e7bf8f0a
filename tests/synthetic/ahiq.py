"""AHIQ's head and its two backbones."""

from tests.helpers.synthetic_weights import nested, synthetic_tensors

HEAD = "AHIQ_vit_p8_epoch33-da3ea303.pth"
FILES = {
    HEAD: lambda: nested(synthetic_tensors("ahiq", f"{HEAD}/")),
    "resnet50_a1_0-14fe96d1.pth": lambda: synthetic_tensors("ahiq", "timm_resnet50/"),
    "vit_base_patch8_224.augreg_in21k_ft_in1k.safetensors": lambda: synthetic_tensors(
        "ahiq", "timm_vit_base_patch8_224/"
    ),
}
