"""The section `card` of an option file: what a model card says that no training knows."""

import datetime
import re
from typing import Any

from pydantic import field_validator

from iqa_sr.config.sections import Section

__all__ = ["CardOptions"]

_MODEL_ID = r"\d+x-[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*"


class CardOptions(Section):
    """`card`: what `iqa-sr card` writes beside what it finds in the experiment; a training does not read it.

    Attributes:
        name: Name of the model; null: that of the run.
        author: Name or names of those who publish it.
        license: License of the model, an SPDX identifier where there is one, for example `CC-BY-4.0`.
        base_license: License of the network that the training began with.
        data_license: License or licenses of the training images.
        description: Text in Markdown on what the model is for.
        data: Text in Markdown on the training images; null: the names of the data sets.
        tags: Tags of OpenModelDB, as `photo`, or any others.
        date: Date of the publication, as `2030-01-31`; null: the day on which the training ended.
        urls: Addresses at which the model file can be downloaded.
        image_url: Address of the folder in which the images of the card can be seen.
        base_model: Name on a model hub, `owner/name`, of the network that the training began with.
        pretrained_model: Identifier in OpenModelDB of the same, as `4x-ESRGAN`.
    """

    name: str | None = None
    author: str | list[str] | None = None
    license: str | None = None
    base_license: str | None = None
    data_license: str | None = None
    description: str | None = None
    data: str | None = None
    tags: list[str] = []
    date: str | None = None
    urls: list[str] = []
    image_url: str | None = None
    base_model: str | None = None
    pretrained_model: str | None = None

    @property
    def authors(self) -> list[str]:
        """The authors as a list; empty where none is named."""
        return [self.author] if isinstance(self.author, str) else list(self.author or ())

    @field_validator("date", mode="before")
    @classmethod
    def _as_text(cls, date: Any) -> Any:
        return date.isoformat() if type(date) is datetime.date else date  # what YAML makes of one

    @field_validator("date")
    @classmethod
    def _known_day(cls, date: str | None) -> str | None:
        try:
            if date is not None and datetime.date.fromisoformat(date).isoformat() != date:
                raise ValueError
        except ValueError:
            raise ValueError("expected a date as 2030-01-31") from None
        return date

    @field_validator("urls")
    @classmethod
    def _addresses(cls, urls: list[str]) -> list[str]:
        for url in urls:
            _check_address(url)
        return urls

    @field_validator("image_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return url if url is None else _check_address(url).rstrip("/")

    @field_validator("pretrained_model")
    @classmethod
    def _identifier(cls, model: str | None) -> str | None:
        if model is not None and not re.fullmatch(_MODEL_ID, model):
            raise ValueError("expected an identifier of OpenModelDB, as 4x-ESRGAN")
        return model

    @field_validator("base_model")
    @classmethod
    def _of_a_hub(cls, model: str | None) -> str | None:
        if model is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
            raise ValueError("expected a name on a model hub, as owner/name")
        return model


def _check_address(url: str) -> str:
    if not re.fullmatch(r"https?://\S+", url):
        raise ValueError(f"expected an address that begins with https://, got {url!r}")
    return url
