"""What of clips and pairs a model is shown, and what is read out of what it says."""

from vlfeedback.vlms.judging.strips import draw_strip, strips_of

__all__ = ["draw_strip", "strips_of"]
