"""The page of a diagnosis, from figures as its JSON holds them."""

import re
from typing import Any

import pytest

from vlfeedback.errors import InvalidValueError
from vlfeedback.reports.diagnosis_page import diagnosis_page


def finding(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "interval": [low, high], "n": 24}


@pytest.fixture
def results() -> dict[str, Any]:
    """Two sources, one with angry letters in its name."""
    good: dict[str, Any] = {
        "id": "vlp",
        "settings": {"weights": "mt50"},
        "verdict": "good",
        "sentence": "good: worth a training run",
        "reasons": ["Clearly better than guessing."],
        "findings": {
            "random_pairs": finding(0.9, 0.8, 1.0),
            "camera_correlation": finding(0.25, -0.5, 0.75),
            "segments_per_second": {"value": 12345.6, "interval": None, "n": 16},
        },
        "priors": {"random": 0.54},
        "wordings": {"shut the drawer": finding(0.987, 0.9, 1.0)},
    }
    bad = good | {
        "verdict": "useless",
        "sentence": "useless: not worth a training run",
        "reasons": ["No better than <guessing>."],
        "findings": {
            "random_pairs": finding(0.3, 0.2, 0.4),
            "camera_correlation": {"not_applicable": "It reads no pictures."},
            "segments_per_second": {"value": 0.123, "interval": None, "n": 1},
        },
        "wordings": {},
        "goal": "goal: the last picture of an expert",
    }
    bad["findings"]["wording_correlation"] = {"not_applicable": "It reads no instruction."}
    good["findings"]["wording_correlation"] = finding(0.99, 0.9, 1.0)
    return {
        "task": "drawer-close",
        "instruction": "close the drawer",
        "sources": {"vlp": good, "<b>": bad},
        "episodes": {"expert": {"n": 8, "succeed": 7}},
        "legend": {
            "random_pairs": {"title": "pairs", "unit": "%", "chance": 0.5, "meaning": "M."},
            "camera_correlation": {
                "title": "cameras",
                "unit": "correlation",
                "chance": None,
                "meaning": "C.",
            },
            "segments_per_second": {
                "title": "clips",
                "unit": "a second",
                "chance": None,
                "meaning": "S.",
            },
        },
        "thresholds": {
            "chance": 0.5,
            "good_random_pairs": 0.625,
            "good_success_auc": 0.75,
            "steady_correlation": 0.5,
        },
        "command": "vlfeedback eval source",
        "seed": 0,
        "seconds": 9.7,
        "hardware": {"processor": "CPU", "cores": 2},
        "versions": {"vlfeedback": "0.1.0"},
        "commit": "0123abc",
    }


def page(results: dict[str, Any]) -> str:
    films = {"vlp": "data:image/png;base64,FILM", "<b>": "data:image/png;base64,OTHER"}
    return diagnosis_page(results, films=films, scatters={"vlp": "data:image/png;base64,DOTS"})


def test_the_verdict_comes_before_everything_else(results: dict[str, Any]) -> None:
    text = page(results)
    assert text.index("Clearly better") < text.index("All figures") < text.index("FILM")
    assert text.index("worth a training run") < text.index("80, 100")


def test_intervals_are_coloured_by_where_they_lie_to_guessing(results: dict[str, Any]) -> None:
    text = page(results)
    assert '<td class="above"><b>90 %</b> [80, 100]' in text
    assert '<td class="below"><b>30 %</b> [20, 40]' in text
    assert '<td class="plain"><b>0.25</b> [-0.50, 0.75]' in text
    results["sources"]["vlp"]["findings"]["random_pairs"] = finding(0.55, 0.45, 0.65)
    assert '<td class="around"><b>55 %</b> [45, 65]' in page(results)


def test_an_interval_is_drawn_to_scale(results: dict[str, Any]) -> None:
    # The line runs from 4 to 116 px: 80 to 100 % are 93.6 to 116; -0.5 to 0.75 of -1 to 1 are
    # 4 + 112 / 4 = 32 and 4 + 112 * 7 / 8 = 102.
    text = page(results)
    assert 'class="interval" x1="93.6" x2="116.0"' in text
    assert 'class="interval" x1="32.0" x2="102.0"' in text
    assert 'class="chance" x1="60.0" x2="60.0"' in text


def test_what_is_not_applicable_says_why_and_has_no_number(results: dict[str, Any]) -> None:
    text = page(results)
    assert "not applicable<small>It reads no pictures." in text
    assert "<p>It reads no instruction.</p><p>It reads no pictures.</p>" in text


def test_the_page_needs_no_other_file_and_no_network(results: dict[str, Any]) -> None:
    text = page(results)
    assert set(re.findall(r'src="(data:image/png)', text)) == {"data:image/png"}
    assert len(re.findall(r"src=", text)) == 3
    assert "http" not in text and "url(" not in text and "@import" not in text


def test_names_and_reasons_are_text_and_no_markup(results: dict[str, Any]) -> None:
    text = page(results)
    assert "<h2>&lt;b&gt;</h2>" in text
    assert "No better than &lt;guessing&gt;." in text


def test_prior_speed_goal_and_origin_stand_on_the_page(results: dict[str, Any]) -> None:
    text = page(results)
    assert "Prior: 54 %." in text
    assert "<b>12,300</b> a second" in text and "<b>0.123</b> a second" in text
    assert "goal: the last picture of an expert" in text
    assert "vlfeedback eval source; seed 0; 10 s; CPU, 2 cores; vlfeedback 0.1.0" in text


def test_the_rule_is_told_with_the_thresholds_that_were_compared_with(
    results: dict[str, Any],
) -> None:
    results["thresholds"]["good_random_pairs"] = 0.7
    text = page(results)
    assert (
        "<b>good</b>: the former&#39;s interval lies above 70 %, the latter&#39;s above 75 %"
        in text
    )
    assert "does not tell forwards from backwards, or falls as experts progress." in text


def test_a_picture_that_is_no_data_is_refused(results: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=r"'javascript:alert.1.' is no address"):
        diagnosis_page(results, films={"vlp": "javascript:alert(1)"}, scatters={})
