"""Option files whose generator is whatever a checkpoint holds: what they leave out is told by the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iqa_sr.archs.architecture_licenses import architecture_license
from iqa_sr.archs.spandrel_loader import FROM_FILE, SpandrelFacts, facts_of_file
from iqa_sr.basicsr_compat import ARCH_REGISTRY
from iqa_sr.config.sections import OptionProblems
from iqa_sr.errors import OptionError, shown
from iqa_sr.models.options import section_of

__all__ = ["check_architecture", "complete_options"]


def complete_options(options: Mapping[str, Any], problems: OptionProblems) -> Mapping[str, Any]:
    """The options of an IQASRModel with what they leave out of a generator from a file.

    `path:pretrain_network_g` alone means `network_g: {type: spandrel, path: FILE}`, and the other way round; `scale`
    is that of the network.

    Args:
        options: Content of the whole option file.
        problems: Collection that errors are added to.
    """
    path, network = section_of(options, "path"), options.get("network_g")
    start = path.get("pretrain_network_g")
    if network is None and isinstance(start, str):
        network = {"type": FROM_FILE, "path": start}
        if path.get("param_key_g"):
            network["param_key"] = path["param_key_g"]
    if not isinstance(network, Mapping) or network.get("type") != FROM_FILE or "path" not in network:
        return options
    if not isinstance(network["path"], str):
        problems.texts.append(f"network_g:path: expected the path of a checkpoint, got {shown(network['path'])}")
        return options
    completed = {**options, "network_g": dict(network)}
    if not start:
        completed["path"] = {**path, "pretrain_network_g": network["path"], "param_key_g": network.get("param_key")}
    with problems.collected():
        facts = _facts(network)
        scale = options.get("scale")
        if scale is None:
            completed["scale"] = facts.scale
        elif scale != facts.scale:
            raise OptionError(
                f"scale: expected {facts.scale}, the factor of the {facts.architecture} in {network['path']}, "
                f"got {shown(scale)}; leave it out to take the network's, or name another file under network_g:path"
            )
    return completed


def check_architecture(network: Mapping[str, Any], policy: str) -> None:
    """Refuse a network of spandrel whose code a policy does not allow; nothing is built.

    Args:
        network: Section `network_g`, complete; its type is registered.
        policy: License policy: `any`, or `permissive`.

    Raises:
        OptionError: With the architecture and the reason.
    """
    architecture, where = getattr(ARCH_REGISTRY.get(network["type"]), "architecture", None), "network_g:type"
    if network["type"] == FROM_FILE:
        architecture, where = _facts(network).architecture, "network_g:path"
    if policy == "any" or architecture is None:
        return
    if reason := architecture_license(architecture).noncommercial:
        raise OptionError(
            f"license_policy: {policy} refuses the {architecture} of {where}: {reason}; take another network, or "
            "license_policy: any"
        )


def _facts(network: Mapping[str, Any]) -> SpandrelFacts:
    try:
        return facts_of_file(network["path"], network.get("param_key"))
    except FileNotFoundError:
        raise OptionError(
            f"network_g:path: {network['path']} does not exist in {Path.cwd()}; expected a checkpoint to begin with"
        ) from None
    except ValueError as error:
        raise OptionError(f"network_g:path: {error}") from error
