"""Public exams of reward and preference sources, and the same figures on clips of our own."""

from vlfeedback.evaluation.bench.exam import Exam, ExamClip, ExamPair
from vlfeedback.evaluation.bench.own_clips import read_own_clips
from vlfeedback.evaluation.bench.rbm_eval_ood import read_rbm_eval_ood
from vlfeedback.evaluation.bench.roborewardbench import read_roborewardbench
from vlfeedback.evaluation.bench.take import TakenExam, take_exam

__all__ = [
    "Exam",
    "ExamClip",
    "ExamPair",
    "TakenExam",
    "read_own_clips",
    "read_rbm_eval_ood",
    "read_roborewardbench",
    "take_exam",
]
