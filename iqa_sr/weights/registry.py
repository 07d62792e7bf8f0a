"""The table of published weights, files and folders: size, hash, licenses, and where each can be had."""

from iqa_sr.weights.published_file import WeightFile
from iqa_sr.weights.publishers import (
    COLLECTION,
    COLLECTION_RELEASE,
    arniqa,
    by_collection,
    clip,
    collected,
    hub_folder,
    liqe,
    maniqa,
    musiq,
    own_training,
    qualiclip,
    reiqa,
    shift_tolerant,
    torchvision_file,
)

__all__ = ["WEIGHT_FILES"]

_FILES = (
    # Backbones
    torchvision_file("alexnet-owt-7be5be79.pth", 244.4),
    torchvision_file("squeezenet1_1-b8a52dc0.pth", 5.0),
    torchvision_file("vgg16-397923af.pth", 553.4),
    torchvision_file("vgg19-dcbb9e9d.pth", 574.7),
    torchvision_file("resnet50-0676ba61.pth", 102.5),
    clip("RN50.pt", 256.0, "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
    clip("ViT-B-32.pt", 354.0, "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"),
    clip("ViT-L-14-336px.pt", 934.1, "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02"),
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
    collected(
        "afine.pth",
        610.8,
        "no separate statement; distributed by the Apache-2.0 project (CLIP part MIT)",
        "Apache-2.0",
        page="https://github.com/ChrisDud0257/AFINE",
    ),
    collected("AHIQ_vit_p8_epoch33-da3ea303.pth", 326.0, "no separate statement (MIT repository)", "MIT"),
    collected("CKDN_model_best-38b27dc6.pth", 53.6, "none stated by the authors", "none stated"),
    shift_tolerant("alex_shift_tolerant.pth", 9.9, "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"),
    shift_tolerant("vgg_shift_tolerant.pth", 58.9),
    by_collection("cfanet_fr_kadid_res50-2c4cc61d.pth", 144.4, "trained"),
    by_collection("cfanet_fr_pipal_res50-69bbe5ba.pth", 144.4, "trained"),
    # No reference
    by_collection("cfanet_nr_koniq_res50-9a73138b.pth", 181.0, "trained"),
    by_collection("cfanet_nr_spaq_res50-a7f799ac.pth", 181.0, "trained"),
    by_collection("cfanet_iaa_ava_res50-3cd62bb3.pth", 293.7, "trained"),
    musiq("musiq_koniq_ckpt-e95806b9.pth"),
    musiq("musiq_spaq_ckpt-358bb6af.pth"),
    musiq("musiq_paq2piq_ckpt-364c0c84.pth"),
    musiq("musiq_ava_ckpt-e8d3f067.pth"),
    arniqa("ARNIQA.pth", 112.2, "ad2022e59b1040d5bab24f9325c10d0215956a2061248a36c15edaec3e60fcd1"),
    *(
        arniqa(f"regressor_{data}.pth", 0.02, sha256)
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
    qualiclip("qualiclip.pth"),
    qualiclip("QualiCLIP.pth", "5818e085ac4b3d297cdd183fd2b1d8a4ddb2242e5bb7fd24b2cd66d7d132bc7e"),
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
    by_collection("NIMA_InceptionV2_ava-b0c77c00.pth", 217.5, "trained or collected"),
    by_collection("NIMA_VGG16_ava-dc4e8265.pth", 58.9, "trained or collected"),
    by_collection("NIMA_koniq-250367ae.pth", 217.5, "trained or collected"),
    by_collection("NIMA-spaq-46a7fcb7.pth", 217.5, "trained or collected"),
    maniqa("ckpt_koniq10k.pt", "Koniq10k", "a207f8ab57322e6be38ff5c8d019301dc032b454bef21c3c9f9dbf7974eebff6"),
    maniqa("ckpt_kadid10k.pt", "Kadid10k"),
    collected("MANIQA_PIPAL-ae6d356b.pth", 543.3, "no separate statement (Apache-2.0 repository)", "Apache-2.0"),
    # Its release is that of PaQ-2-PiQ, whose README says so; the authors' later repository paq2piq is under MIT.
    collected(
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
    liqe("liqe_koniq.pt"),
    liqe("liqe_mix.pt"),
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
    hub_folder(
        "one-align",
        "q-future/one-align",
        16400,
        "NTU S-Lab 1.0 (Q-Align); derived from LLaMA 2: LLaMA 2 Community License",
        "NTU S-Lab 1.0",
    ),
    hub_folder(
        "DeQA-Score-Mix3",
        "zhiyuanyou/DeQA-Score-Mix3",
        16400,
        "MIT (DeQA-Score); derived from LLaMA 2: LLaMA 2 Community License",
        "MIT",
    ),
    reiqa("quality_aware_r50.pth"),
    reiqa("content_aware_r50.pth"),
    own_training("reiqa_regressor.pth", 0.04, "Re-IQA publishes no regressor: fit one to ReIQA.features"),
    own_training("jod_own.safetensors", 2.9, "options/iqa/jod_lite.yml"),
    own_training("preference_own.safetensors", 1.2, "options/iqa/preferences.yml"),
    own_training("rankiqa_own.safetensors", 3.5, "options/iqa/rankiqa_lite.yml or options/iqa/mos.yml"),
    own_training("augmentiq.pth", 8.5, "AugmentIQ publishes no checkpoint"),
)

WEIGHT_FILES: dict[str, WeightFile] = {file.name: file for file in _FILES}
