"""The table of published weights, files and folders: size, hash, licenses, and where each can be had."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from iqa_sr.runtime.packages import NeededPackage

__all__ = ["WEIGHT_FILES", "HubFile", "WeightFile", "hub_file"]

COLLECTION = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/"
COLLECTION_RELEASE = "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights/"
COLLECTION_LICENSE = "CC BY-NC-SA 4.0"  # what its page declares; it also asks to respect the originals' licenses
TRANSFORMERS = NeededPackage("transformers", "4.48", "qalign")  # the oldest that the tests have been run with


@dataclass(frozen=True)
class WeightFile:
    """One published file of weights, or a folder of them.

    Attributes:
        name: The published file name; one name, one file. Of a folder, the name under which it is looked for.
        megabytes: Size of the file, or of a folder's files together, in 10^6 bytes, rounded (for most counted from the
            shapes inside).
        license: License of the weights.
        code_license: License of the project that published them.
        sources: Addresses that give the file itself, in the order in which they are tried; empty: no download. Those of
            a folder give its `config.json`, beside which the others lie.
        sha256: SHA-256 of the file, or the start of it as the publishers put it into the name; empty: not known.
        page: Address of the page where a person finds the file when no source gives it.
        is_folder: Whether it is a folder: `config.json`, an index, and the shards that the index names.
        package: Optional package that whoever uses them needs; None where there is none.
    """

    name: str
    megabytes: float
    license: str
    code_license: str
    sources: tuple[str, ...] = ()
    sha256: str = ""
    page: str = ""
    is_folder: bool = False
    package: NeededPackage | None = None


@dataclass(frozen=True)
class HubFile:
    """A file on Hugging Face's hub.

    Attributes:
        repository: `<owner>/<name>`.
        revision: A branch, tag or commit.
        name: The file's path in the repository.
    """

    repository: str
    revision: str
    name: str


def hub_file(source: str) -> HubFile | None:
    """Parts of `https://huggingface.co/<owner>/<name>/resolve/<revision>/<file>` names; None for another one."""
    parts = urlsplit(source)
    if parts.netloc != "huggingface.co":
        return None
    owner, repository, _, revision, name = unquote(parts.path).strip("/").split("/", 4)
    return HubFile(f"{owner}/{repository}", revision, name)


def _in_name(name: str) -> str:
    """The start of the hash that a name such as vgg16-397923af.pth carries, or nothing."""
    found = re.search(r"-([0-9a-f]{8})\.pth$", name)
    return found.group(1) if found else ""


def _torchvision(name: str, megabytes: float) -> WeightFile:
    license = "no separate statement (torchvision, BSD-3-Clause)"
    source = f"https://download.pytorch.org/models/{name}"
    return WeightFile(name, megabytes, license, "BSD-3-Clause", (source,), _in_name(name))


def _collected(
    name: str,
    megabytes: float,
    license: str,
    code_license: str,
    before: tuple[str, ...] = (),
    sha256: str = "",
    page: str = "",
) -> WeightFile:
    """A file of the IQA-PyTorch collection; `before` lists its authors' own addresses."""
    file = quote(name)
    sources = (*before, COLLECTION + file, COLLECTION_RELEASE + file)
    return WeightFile(name, megabytes, license, code_license, sources, sha256 or _in_name(name), page)


def _by_collection(name: str, megabytes: float, what: str) -> WeightFile:
    """A file whose weights the authors of IQA-PyTorch trained or collected."""
    license = f"{COLLECTION_LICENSE} ({what} by IQA-PyTorch)"
    return _collected(name, megabytes, license, "PolyForm Noncommercial 1.0.0 / NTU S-Lab 1.0")


def _musiq(name: str) -> WeightFile:
    license = "converted from google-research/musiq (Apache-2.0); no separate statement"
    return _collected(name, 108.6, license, "Apache-2.0")


def _arniqa(name: str, megabytes: float, sha256: str = "") -> WeightFile:
    own = f"https://github.com/miccunifi/ARNIQA/releases/download/weights/{name}"
    license = "no separate statement (Apache-2.0 repository)"
    return WeightFile(name, megabytes, license, "Apache-2.0", (own, COLLECTION + name), sha256)


def _maniqa(name: str, release: str, sha256: str = "") -> WeightFile:
    own = f"https://github.com/IIGROUP/MANIQA/releases/download/{release}/{name}"
    return _collected(name, 543.3, "no separate statement (Apache-2.0 repository)", "Apache-2.0", (own,), sha256)


def _liqe(name: str) -> WeightFile:
    own = f"https://github.com/zwx8981/IQA-PyTorch/releases/download/Weights/{name}"
    return _collected(name, 353.5, "no separate statement (MIT repository)", "MIT", (own,))


def _qualiclip(name: str, sha256: str = "") -> WeightFile:
    """The authors' file and its mirror carry names that differ in their capitals only."""
    own = "https://github.com/miccunifi/QualiCLIP/releases/download/weights/qualiclip.pth"
    mirror = COLLECTION + "QualiCLIP.pth"
    sources = (own, mirror) if name == "qualiclip.pth" else (mirror, own)
    return WeightFile(name, 408.5, "CC BY-NC 4.0", "CC BY-NC 4.0", sources, sha256)


def _reiqa(name: str) -> WeightFile:
    page = "https://github.com/avinabsaha/ReIQA (its README links the file on a cloud drive)"
    return WeightFile(name, 112.1, "no separate statement (MIT repository)", "MIT", page=page)


def _hub_folder(name: str, repository: str, megabytes: float, license: str, code_license: str) -> WeightFile:
    """A folder of shards on Hugging Face's hub."""
    address = f"https://huggingface.co/{repository}"
    sources = (f"{address}/resolve/main/config.json",)
    return WeightFile(
        name, megabytes, license, code_license, sources, page=address, is_folder=True, package=TRANSFORMERS
    )


def _own_training(name: str, megabytes: float, what: str) -> WeightFile:
    return WeightFile(name, megabytes, "your own", "your own", page=f"your own training ({what})")


SHIFT_TOLERANT = ("no separate statement (BSD-2-Clause repository)", "BSD-2-Clause; its blur pooling CC BY-NC-SA 4.0")
SHIFT_TOLERANT_PAGE = "https://github.com/abhijay9/ShiftTolerant-LPIPS"

_FILES = (
    # Backbones
    _torchvision("alexnet-owt-7be5be79.pth", 244.4),
    _torchvision("squeezenet1_1-b8a52dc0.pth", 5.0),
    _torchvision("vgg16-397923af.pth", 553.4),
    _torchvision("vgg19-dcbb9e9d.pth", 574.7),
    _torchvision("resnet50-0676ba61.pth", 102.5),
    WeightFile(
        "RN50.pt",
        256.0,
        "no separate statement (OpenAI CLIP, MIT)",
        "MIT",
        (
            "https://openaipublic.azureedge.net/clip/models/"
            "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt",
        ),
        "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
    ),
    WeightFile(
        "ViT-B-32.pt",
        354.0,
        "no separate statement (OpenAI CLIP, MIT)",
        "MIT",
        (
            "https://openaipublic.azureedge.net/clip/models/"
            "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
        ),
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    ),
    WeightFile(
        "ViT-L-14-336px.pt",
        934.1,
        "no separate statement (OpenAI CLIP, MIT)",
        "MIT",
        (
            "https://openaipublic.azureedge.net/clip/models/"
            "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/ViT-L-14-336px.pt",
        ),
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
    ),
    # Google's graph of 2015 (TensorFlow's models), as torch-fidelity converted it.
    WeightFile(
        "weights-inception-2015-12-05-6726825d.pth",
        95.6,
        "Apache-2.0 (TensorFlow models)",
        "Apache-2.0",
        (
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
        ),
        "6726825d",
    ),
    # The two that AHIQ was trained with: the defaults of timm 0.5.4, which its requirements pin. Later ones differ.
    WeightFile(
        "resnet50_a1_0-14fe96d1.pth",
        102.4,
        "Apache-2.0 (timm)",
        "Apache-2.0",
        (
            "https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-rsb-weights/"
            "resnet50_a1_0-14fe96d1.pth",
        ),
        "14fe96d1",
    ),
    WeightFile(
        "vit_base_patch8_224.augreg_in21k_ft_in1k.safetensors",
        346.3,
        "Apache-2.0 (timm)",
        "Apache-2.0",
        ("https://huggingface.co/timm/vit_base_patch8_224.augreg_in21k_ft_in1k/resolve/main/model.safetensors",),
    ),
    # Full reference
    _collected(
        "afine.pth",
        610.8,
        "no separate statement; distributed by the Apache-2.0 project (CLIP part MIT)",
        "Apache-2.0",
        page="https://github.com/ChrisDud0257/AFINE",
    ),
    _collected("AHIQ_vit_p8_epoch33-da3ea303.pth", 326.0, "no separate statement (MIT repository)", "MIT"),
    _collected("CKDN_model_best-38b27dc6.pth", 53.6, "none stated by the authors", "none stated"),
    _collected(
        "alex_shift_tolerant.pth",
        9.9,
        *SHIFT_TOLERANT,
        sha256="b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
        page=SHIFT_TOLERANT_PAGE,
    ),
    _collected("vgg_shift_tolerant.pth", 58.9, *SHIFT_TOLERANT, page=SHIFT_TOLERANT_PAGE),
    _by_collection("cfanet_fr_kadid_res50-2c4cc61d.pth", 144.4, "trained"),
    _by_collection("cfanet_fr_pipal_res50-69bbe5ba.pth", 144.4, "trained"),
    # No reference
    _by_collection("cfanet_nr_koniq_res50-9a73138b.pth", 181.0, "trained"),
    _by_collection("cfanet_nr_spaq_res50-a7f799ac.pth", 181.0, "trained"),
    _by_collection("cfanet_iaa_ava_res50-3cd62bb3.pth", 293.7, "trained"),
    _musiq("musiq_koniq_ckpt-e95806b9.pth"),
    _musiq("musiq_spaq_ckpt-358bb6af.pth"),
    _musiq("musiq_paq2piq_ckpt-364c0c84.pth"),
    _musiq("musiq_ava_ckpt-e8d3f067.pth"),
    _arniqa("ARNIQA.pth", 112.2, "ad2022e59b1040d5bab24f9325c10d0215956a2061248a36c15edaec3e60fcd1"),
    *(
        _arniqa(f"regressor_{data}.pth", 0.02, sha256)
        for data, sha256 in (
            ("live", ""),
            ("csiq", ""),
            ("tid2013", ""),
            ("kadid10k", "4315bf471d52eb7d3e5de1e2ac8bb465f8eec10cd724103c72a178b9aaa4aa3f"),
            ("flive", ""),
            ("spaq", "dbee93f9a8deb3c8357af0b7d4598c153b4a10075be34f9b69daa1aa04e778e3"),
            ("clive", ""),
            ("koniq10k", "af8f127aca38a8e1082e066b5ee93e533bf5f33aaf9c76b3c31526ef901919e1"),
        )
    ),
    # The hash is that of the mirror, which the authors uploaded themselves; their own release's is not known.
    _qualiclip("qualiclip.pth"),
    _qualiclip("QualiCLIP.pth", "5818e085ac4b3d297cdd183fd2b1d8a4ddb2242e5bb7fd24b2cd66d7d132bc7e"),
    *(
        WeightFile(
            f"QualiCLIP+_{data}.pth",
            2.2,
            "CC BY-NC 4.0 (QualiCLIP)",
            "CC BY-NC 4.0",
            (f"{COLLECTION}QualiCLIP%2B_{data}.pth",),
            sha256,
        )
        for data, sha256 in (
            ("koniq", "450292893e96f38dca09d51ca2e0e1cd7cb1c2c55d444cfe2ac8ea2ab5d1d894"),
            ("clive", "5a2c75e4586abbaf1bc55e945691be14c70d68ede7dbabd86caebaf838ec50a3"),
            ("flive", "ac20494683fb8c26abae04c6df671c389bf42f08461b2eac8497d91d53d558cc"),
            ("spaq", "2d9c2ef6b746d0f42573c24a118a6f0bf1f919d60163b5dbd6de0b6fc7e1a0e9"),
        )
    ),
    WeightFile(
        "CLIP-IQA+_learned_prompts-603f3273.pth",
        0.02,
        "NTU S-Lab 1.0 (CLIP-IQA); no separate statement",
        "NTU S-Lab 1.0",
        (  # in the collection its very name holds the escape %2B
            f"{COLLECTION}CLIP-IQA%252B_learned_prompts-603f3273.pth",
            f"{COLLECTION_RELEASE}CLIP-IQA%2B_learned_prompts-603f3273.pth",
        ),
        "603f3273",
    ),
    _by_collection("NIMA_InceptionV2_ava-b0c77c00.pth", 217.5, "trained or collected"),
    _by_collection("NIMA_VGG16_ava-dc4e8265.pth", 58.9, "trained or collected"),
    _by_collection("NIMA_koniq-250367ae.pth", 217.5, "trained or collected"),
    _by_collection("NIMA-spaq-46a7fcb7.pth", 217.5, "trained or collected"),
    _maniqa("ckpt_koniq10k.pt", "Koniq10k", "a207f8ab57322e6be38ff5c8d019301dc032b454bef21c3c9f9dbf7974eebff6"),
    _maniqa("ckpt_kadid10k.pt", "Kadid10k"),
    _collected("MANIQA_PIPAL-ae6d356b.pth", 543.3, "no separate statement (Apache-2.0 repository)", "Apache-2.0"),
    # Its release is that of PaQ-2-PiQ, whose README says so; the authors' later repository paq2piq is under MIT.
    _collected(
        "P2P_RoIPoolModel-fit.10.bs.120-ca69882e.pth",
        46.9,
        "no separate statement (CC BY-NC-SA 4.0 repository)",
        "CC BY-NC-SA 4.0; later MIT",
        page="https://github.com/baidut/PaQ-2-PiQ",
    ),
    # D. Li's training of Kang's network: the repository states no license.
    WeightFile(
        "CNNIQA-LIVE",
        2.9,
        "none stated by their publisher",
        "none stated",
        (
            "https://raw.githubusercontent.com/lidq92/CNNIQA/fb36830fc6491ef8db2dc651aaad94cdbee131fa/"
            "models/CNNIQA-LIVE",
        ),
        "79cc404d0da3e76e51b6680c4d6edd7332399ba7ed8af3306bdd16e95c7bda7e",
    ),
    WeightFile(
        "koniq_pretrained.pkl",
        109.7,
        "no separate statement (MIT repository)",
        "MIT",
        page="https://github.com/SSL92/hyperIQA (its README links the file on a cloud drive)",
    ),
    _liqe("liqe_koniq.pt"),
    _liqe("liqe_mix.pt"),
    WeightFile(
        "templateModel.mat",
        2.8,
        "none stated by the authors",
        "none stated",
        (
            "https://raw.githubusercontent.com/milestonesvn/ILNIQE/873632165aa52ad228da54df23349667d47dabb6/"
            "templateModel.mat",
        ),
        "14f4919a630498d732bbf11837d894d45a57f89c9ed84bea98851147290ce93c",
        page="https://github.com/milestonesvn/ILNIQE",
    ),
    # Its size is not known: the most that its host takes, 100 MB, are 1.25 times this (three forests of 2,000 trees).
    WeightFile(
        "nrqm_model.mat",
        84.0,
        "no separate statement (MIT repository)",
        "MIT",
        ("https://raw.githubusercontent.com/chaoma99/sr-metric/51218dbd5a1a5827cec9259b2fe0024b0b8702d4/model.mat",),
        page="https://github.com/chaoma99/sr-metric (its model.mat, under this name)",
    ),
    _hub_folder(
        "one-align",
        "q-future/one-align",
        16400,
        "NTU S-Lab 1.0 (Q-Align); derived from LLaMA 2: LLaMA 2 Community License",
        "NTU S-Lab 1.0",
    ),
    _hub_folder(
        "DeQA-Score-Mix3",
        "zhiyuanyou/DeQA-Score-Mix3",
        16400,
        "MIT (DeQA-Score); derived from LLaMA 2: LLaMA 2 Community License",
        "MIT",
    ),
    _reiqa("quality_aware_r50.pth"),
    _reiqa("content_aware_r50.pth"),
    _own_training("reiqa_regressor.pth", 0.04, "Re-IQA publishes no regressor: fit one to ReIQA.features"),
    _own_training("jod_own.safetensors", 2.9, "options/iqa/jod_lite.yml"),
    _own_training("preference_own.safetensors", 1.2, "options/iqa/preferences.yml"),
    _own_training("rankiqa_own.safetensors", 3.5, "options/iqa/rankiqa_lite.yml or options/iqa/mos.yml"),
    _own_training("augmentiq.pth", 8.5, "AugmentIQ publishes no checkpoint"),
)

WEIGHT_FILES: dict[str, WeightFile] = {file.name: file for file in _FILES}
