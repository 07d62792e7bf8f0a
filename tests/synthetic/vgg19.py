"""The features of VGG19, which BasicSR's perceptual loss uses; He's initialization."""

import torch

# Channels of the convolutions, 0 for a pooling; the convolutions and their ReLUs count in torchvision's names.
LAYERS = (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4)


def vgg19():
    state, last, position = {}, 3, 0
    generator = torch.Generator().manual_seed(0)
    for channels in LAYERS:
        if channels:
            scale = (2 / (9 * last)) ** 0.5
            state[f"features.{position}.weight"] = torch.randn(channels, last, 3, 3, generator=generator) * scale
            state[f"features.{position}.bias"] = torch.zeros(channels)
            last = channels
        position += 2 if channels else 1
    return state


FILES = {"vgg19-dcbb9e9d.pth": vgg19}
