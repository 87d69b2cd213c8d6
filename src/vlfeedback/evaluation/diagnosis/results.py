"""A diagnosis as JSON holds it, with what is needed to read it without this library."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vlfeedback.evaluation.diagnosis.diagnose import Diagnosis
from vlfeedback.evaluation.diagnosis.inputs import LEVELS, DiagnosisInputs
from vlfeedback.evaluation.diagnosis.metrics import METRICS, metric_to_json
from vlfeedback.evaluation.diagnosis.verdict import THRESHOLDS, decide
from vlfeedback.evaluation.labels.summary import tidy
from vlfeedback.tasks import get_task

__all__ = ["describe_diagnosis", "describe_inputs"]


def describe_diagnosis(found: Diagnosis) -> dict[str, Any]:
    """Verdict, reasons and figures of one source; numbers to four decimals, no NaN.

    Returns:
        ``verdict`` (a word), ``sentence``, ``reasons``, ``findings`` (by name, see
        `metric_to_json`), ``priors`` (by pairing, 0 to 1) and ``wordings`` (by text).
    """
    verdict = decide(found.findings, prior=found.priors["random"])
    described: dict[str, Any] = tidy(
        {
            "verdict": verdict.word,
            "sentence": verdict.sentence,
            "reasons": verdict.reasons,
            "findings": {name: metric_to_json(f) for name, f in found.findings.items()},
            "priors": found.priors,
            "wordings": {text: metric_to_json(e) for text, e in found.wordings.items()},
        }
    )
    return described


def describe_inputs(exam: DiagnosisInputs) -> dict[str, Any]:
    """The task, its episodes by level, its cameras, and what each figure means."""
    levels = {level: exam.of_level(level) for level in LEVELS}
    return {
        "task": exam.task,
        "instruction": exam.instruction,
        "episodes": {
            level: {"n": len(of), "succeed": sum(t.first_success is not None for t in of)}
            for level, of in levels.items()
            if of
        },
        "cameras": [get_task(exam.task).camera, *([exam.camera] if exam.retaken else [])],
        "legend": {name: asdict(kind) for name, kind in METRICS.items()},
        "thresholds": dict(THRESHOLDS),
    }
