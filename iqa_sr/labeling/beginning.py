"""Beginning of a session: its facts, and whether what is asked for agrees with those that it has begun with."""

from collections.abc import Sequence

from iqa_sr.data.answers.records import Mode, Order, SessionFacts
from iqa_sr.labeling.collection import Collection
from iqa_sr.labeling.worth import Until

__all__ = ["check_same", "new_facts", "read_until"]


def read_until(collection: Collection, named: Sequence[str], until: float | None, margin: float) -> Until | None:
    """The sequential test that ends a session; None if none is asked for.

    Args:
        collection: Collection that is asked about.
        named: The two versions in the order in which they were named; empty: that of the collection.
        until: Confidence in (0, 1), or None.
        margin: Distance of the preference from 0.5 below which both are alike, in [0, 0.5).

    Raises:
        ValueError: If there are not two versions, or a number is out of its range.
    """
    if until is None:
        return None
    if collection.mode == "groups" or len(collection.versions) != 2:
        raise ValueError(
            "`until`: two versions are told apart; name them with --checkpoints A B, got "
            + ", ".join(collection.versions)
        )
    first, second = named or collection.versions
    return Until((first, second), until, margin)


def new_facts(collection: Collection, rater: str, order: Order | None, seed: int | None) -> SessionFacts:
    """Facts of a session that begins; order and seed are the defaults where they are None.

    Raises:
        ValueError: If the order is none of groups.
    """
    if order is None:
        several = collection.mode != "groups" and len(collection.versions) > 2
        order = "active" if several else "random"
    if order == "active" and collection.mode == "groups":
        raise ValueError("`order` active: groups are asked about one after the other; leave --order out")
    return SessionFacts(rater=rater, mode=collection.mode, order=order, seed=seed or 0, digest=collection.digest)


def check_same(facts: SessionFacts, rater: str, mode: Mode, order: Order | None, seed: int | None) -> None:
    """Check that a session that has begun can go on as it is asked for; what is None may be anything.

    Raises:
        ValueError: If it was begun by another rater, or with another mode, order or seed.
    """
    if facts.rater != rater:
        raise ValueError(f"`rater`: the folder of {rater} is that of {facts.rater}: this disk takes both for one name")
    for name, given, begun in (("mode", mode, facts.mode), ("order", order, facts.order), ("seed", seed, facts.seed)):
        if given is not None and given != begun:
            raise ValueError(
                f"`{name}`: the session of {rater} has begun with {begun}, got {given}; leave it out to go on with "
                "that session, or begin another one under another name (`rater`)"
            )
