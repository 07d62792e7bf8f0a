"""The option `license_policy`."""

import pytest

from iqa_sr.errors import OptionError
from iqa_sr.metrics import MetricInfo, license_policy
from iqa_sr.metrics.license_policy import check_licenses

INFOS = {
    info.name: info
    for info in (
        MetricInfo("free", "none", True, (0, 1)),
        MetricInfo("open", "none", True, (0, 1)),
        MetricInfo("open-fr", "full", True, (0, 1)),
        *(MetricInfo(f"nc{n}", "none", True, (0, 1), noncommercial=f"reason {n}") for n in range(4)),
        MetricInfo("nc-fr", "full", True, (0, 1), noncommercial="trained on something"),
    )
}


@pytest.fixture(autouse=True)
def _metrics(monkeypatch):
    monkeypatch.setattr(license_policy, "metric_info", INFOS.__getitem__)
    monkeypatch.setattr(license_policy, "metric_names", lambda: sorted(INFOS))


def test_any_allows_all():
    check_licenses(INFOS, "any", "license_policy")


def test_permissive_allows_what_nothing_forbids():
    check_licenses(["free", "open-fr", "free"], "permissive", "license_policy")
    check_licenses([], "permissive", "license_policy")


def test_permissive_names_the_refused_their_reasons_and_the_alternatives():
    with pytest.raises(OptionError) as caught:
        check_licenses(["free", "nc1", "nc1"], "permissive", "license_policy")
    assert str(caught.value).splitlines() == [
        "license_policy: permissive refuses nc1: reason 1",
        "permissive no-reference metrics: free, open",
    ]


def test_many_refused_metrics_make_five_lines():
    with pytest.raises(OptionError) as caught:
        check_licenses(INFOS, "permissive", "license_policy")
    text = str(caught.value)
    assert len(text.splitlines()) <= 5 and all(f"nc{n}: reason {n}" in text for n in range(4))
    assert "nc-fr: trained on something" in text
    assert (
        "permissive no-reference metrics: free, open" in text and "permissive full-reference metrics: open-fr" in text
    )


def test_an_unknown_policy_is_refused():
    with pytest.raises(OptionError, match="license_policy: expected any or permissive, got 'strict'"):
        check_licenses(["free"], "strict", "license_policy")
