"""The Inception file of FID and KID: a state dict with the classifier, and batch normalization that does something."""

import torch

from iqa_sr.archs.inception_fid_arch import InceptionFID


def published(seed=0):
    torch.manual_seed(seed)
    network = InceptionFID()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # torch's own draws are so small that all images would look alike
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.8, 1.4)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    with torch.no_grad():  # features of about 0.4 on average, as those of the published file
        for name, parameter in network.Mixed_7c.named_parameters():
            if ".bn." in name:
                parameter.mul_(0.02)
    classifier = {"fc.weight": torch.randn(1008, 2048), "fc.bias": torch.randn(1008)}
    return network.state_dict() | classifier


FILES = {"weights-inception-2015-12-05-6726825d.pth": published}
