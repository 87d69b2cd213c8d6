"""How often labels are right, and how sure: pairs with a known order, and unseen words."""

from vlfeedback.evaluation.labels.evaluate import evaluate_labels
from vlfeedback.evaluation.labels.order_bias import OrderBias, order_bias

__all__ = ["OrderBias", "evaluate_labels", "order_bias"]
