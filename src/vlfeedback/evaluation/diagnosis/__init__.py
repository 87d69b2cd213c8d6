"""Is a reward worth a training run? Measured before any training."""

from vlfeedback.evaluation.diagnosis.episodes import load_episodes
from vlfeedback.evaluation.diagnosis.source_choice import SourceChoice
from vlfeedback.evaluation.diagnosis.sources import DiagnosedSources, diagnose_sources

__all__ = ["DiagnosedSources", "SourceChoice", "diagnose_sources", "load_episodes"]
