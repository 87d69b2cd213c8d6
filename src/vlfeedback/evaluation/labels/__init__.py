"""How often labels are right, and how sure: pairs with a known order, and unseen words."""

from vlfeedback.evaluation.labels.evaluate import evaluate_labels

__all__ = ["evaluate_labels"]
