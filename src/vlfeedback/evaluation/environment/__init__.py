"""Can this environment be seen and scored? Looked into before anything is trained in it."""

from vlfeedback.evaluation.environment.findings import Finding
from vlfeedback.evaluation.environment.inspection import Inspection, inspect_environment

__all__ = ["Finding", "Inspection", "inspect_environment"]
