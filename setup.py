"""Packaging: `losses/` and `samplers/` lie at the top of the repository and are installed inside the package."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

BASICSR = [
    # 1.4.2 cannot be built by Python 3.13 and later; its wheel runs there (docs/installation.md).
    'basicsr>=1.4.2; python_version < "3.13"',
    # The tensorboard command of its tb-nightly imports pkg_resources, which setuptools 82 no longer has.
    'setuptools<82; python_version < "3.13"',
]

ONNX = ["onnx>=1.16", "onnxruntime>=1.18"]

setup(
    name="iqa-sr",
    version=re.search(r'__version__ = "(.+)"', (HERE / "iqa_sr" / "__init__.py").read_text()).group(1),
    description="Super-resolution training guided by image quality assessment: a plugin for BasicSR",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "THIRD_PARTY.md"],
    python_requires=">=3.10",
    packages=[*find_packages(include=["iqa_sr", "iqa_sr.*"]), "iqa_sr.losses", "iqa_sr.samplers"],
    package_dir={"iqa_sr": "iqa_sr", "iqa_sr.losses": "losses", "iqa_sr.samplers": "samplers"},
    package_data={
        "iqa_sr": ["py.typed"],
        "iqa_sr.attacks": ["data/*"],
        "iqa_sr.labeling": ["assets/*"],
        "iqa_sr.metrics": ["data/*"],
        "iqa_sr.report": ["assets/*"],
        "iqa_sr.training": ["data/*"],
        "iqa_sr.web": ["assets/*"],
    },
    install_requires=[
        "torch>=2.6",
        "torchvision",
        "numpy",
        "opencv-python",
        "packaging",
        "Pillow",
        "scikit-image",
        "scipy>=1.15",
        "spandrel>=0.4",
        "tensorboard",
        "lmdb",
        "lpips",
        "peft",
        "huggingface_hub>=0.25",
        "safetensors",
        "pydantic>=2",
        "pyyaml",
        "tqdm",
        "typing_extensions",
    ],
    extras_require={
        "basicsr": BASICSR,
        "augmentiq": ["transformers"],
        "qalign": ["transformers>=4.48"],
        # Architectures under other licenses than spandrel's own, most of them noncommercial.
        "extra-arches": ["spandrel_extra_arches"],
        "onnx": ONNX,
        "opinions": ["openpyxl"],
        "report": ["plotly"],
        # From pytest 9.2 on, pytest-xdist 3.8 forgets in silence which tests belong together.
        "test": [
            *BASICSR,
            *ONNX,
            "choix",
            "jsonschema",
            "openpyxl",
            "plotly",
            "pytest<9.2",
            "pytest-xdist",
            "selenium",
            "spandrel_extra_arches",
            "torch-fidelity",
            "transformers>=4.48",
        ],
        "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.27"],
        "dev": ["build", "mypy", "pre-commit", "ruff", "twine", "types-PyYAML", "types-tqdm"],
    },
    entry_points={"console_scripts": ["iqa-sr=iqa_sr.cli.main:main"]},
    author="The iqa_sr developers",
    keywords="super-resolution, image quality assessment, IQA, BasicSR, LoRA, perceptual loss, reward hacking",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: GPU :: NVIDIA CUDA",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
)
