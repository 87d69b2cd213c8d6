"""The VLP paper's tables of labels under their old names; see `vlfeedback.reports.published`."""

from __future__ import annotations

from vlfeedback.reports.published import vlp_label_tables, vlp_tables_of_training

__all__ = ["PAPER", "TABLE_13", "TABLE_14"]

PAPER = vlp_label_tables()
TABLE_13, TABLE_14 = vlp_tables_of_training()
