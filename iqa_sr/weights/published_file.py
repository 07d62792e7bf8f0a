"""What is known of a published weight file or folder, and the parts of an address on Hugging Face's hub."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from iqa_sr.runtime.packages import NeededPackage

__all__ = ["HubFile", "WeightFile", "hub_file"]


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
