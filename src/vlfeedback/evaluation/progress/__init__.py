"""Does a reward rise while the expert works? Figures along episodes."""

from vlfeedback.evaluation.progress.evaluate import evaluate_progress, evaluate_progress_at_hand

__all__ = ["evaluate_progress", "evaluate_progress_at_hand"]
