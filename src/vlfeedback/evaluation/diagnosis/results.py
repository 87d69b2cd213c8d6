"""A diagnosis as JSON holds it, with what is needed to read it without this library."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vlfeedback.evaluation.diagnosis.diagnose import Diagnosis
from vlfeedback.evaluation.diagnosis.inputs import LEVELS, DiagnosisInputs
from vlfeedback.evaluation.diagnosis.metrics import METRICS, metric_to_json
from vlfeedback.evaluation.diagnosis.verdict import THRESHOLDS, decide
from vlfeedback.evaluation.labels.summary import tidy

__all__ = ["describe_diagnosis", "describe_inputs"]


def describe_diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    """Verdict, reasons and figures of one source; numbers to four decimals, no NaN.

    Returns:
        ``verdict`` (a word), ``sentence``, ``reasons``, ``findings`` (the figures by name, see
        `metric_to_json`), ``priors`` (by pairing, 0 to 1) and ``wordings`` (by text).
    """
    verdict = decide(diagnosis.metrics, prior=diagnosis.priors["random"])
    description: dict[str, Any] = tidy(
        {
            "verdict": verdict.word,
            "sentence": verdict.sentence,
            "reasons": verdict.reasons,
            "findings": {name: metric_to_json(m) for name, m in diagnosis.metrics.items()},
            "priors": diagnosis.priors,
            "wordings": {text: metric_to_json(e) for text, e in diagnosis.wordings.items()},
        }
    )
    return description


def describe_inputs(inputs: DiagnosisInputs) -> dict[str, Any]:
    """The task, its episodes by level, its cameras, and what each figure means."""
    levels = {level: inputs.of_level(level) for level in LEVELS}
    return {
        "task": inputs.task.name,
        "instruction": inputs.instruction,
        "episodes": {
            level: {"n": len(of), "succeed": sum(t.first_success is not None for t in of)}
            for level, of in levels.items()
            if of
        },
        "cameras": [inputs.task.camera, *([inputs.camera] if inputs.retaken else [])],
        "legend": {name: asdict(kind) for name, kind in METRICS.items()},
        "thresholds": dict(THRESHOLDS),
    }
