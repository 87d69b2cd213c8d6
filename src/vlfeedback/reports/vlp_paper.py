"""Figures the VLP paper prints, to stand beside ours in a column of their own.

Source: Liu et al. 2025, "VLP: Vision-Language Preference Learning". Accuracies and shares are in
[0, 1] here, in % there. Its data, camera, model and simulator version differ from ours.
"""

from __future__ import annotations

from typing import Any

__all__ = ["PAPER", "TABLE_13", "TABLE_14"]

_COLUMNS_6 = ("itp_accuracy", "ivp_accuracy", "ilp_loss", "average_loss")

_ROWS_15 = ("button-press", "door-close", "drawer-close", "faucet-close", "window-open", "mean")

PAPER: dict[str, Any] = {
    # Table 15, column VLP; it equals the last column of Table 2.
    "label_accuracy": {
        "button-press": 0.93,
        "door-close": 1.0,
        "drawer-close": 0.96,
        "faucet-close": 1.0,
        "window-open": 0.98,
        "mean": 0.974,
        # Table 18: trained on the other 45 tasks of ML45.
        "bin-picking": 0.95,
        "box-close": 0.90,
        "door-lock": 1.0,
        "door-unlock": 1.0,
        "hand-insert": 1.0,
        "mean_ml45": 0.97,
    },
    # Table 15, the other columns, in its order of tasks.
    "baseline_label_accuracy": {
        name: dict(zip(_ROWS_15, values, strict=True))
        for name, values in {
            "R3M": (0.91, 0.98, 0.66, 0.98, 0.72, 0.85),
            "VIP": (0.40, 0.57, 0.49, 1.0, 0.88, 0.668),
            "LIV": (0.62, 0.97, 0.39, 0.97, 0.16, 0.622),
            "CLIP": (0.53, 0.49, 0.66, 0.38, 0.81, 0.574),
            "VLM-RM (0.0)": (0.62, 0.59, 0.65, 0.25, 0.88, 0.598),
            "VLM-RM (1.0)": (0.41, 0.10, 0.58, 0.65, 0.16, 0.38),
            "RoboCLIP": (0.46, 0.61, 0.43, 0.63, 0.49, 0.524),
        }.items()
    },
    # Table 5, the other columns: rewards with the true ones, kind of coefficient not named.
    "baseline_correlation": {
        name: dict(zip(_ROWS_15, values, strict=True))
        for name, values in {
            "R3M": (0.313, 0.735, -0.106, 0.676, 0.411, 0.406),
            "VIP": (0.204, 0.125, 0.043, 0.851, 0.725, 0.390),
            "LIV": (-0.281, 0.600, 0.052, 0.563, -0.568, 0.073),
            "CLIP": (0.127, -0.309, -0.151, -0.301, 0.336, -0.060),
            "VLM-RM (0.0)": (0.153, -0.152, -0.137, -0.291, 0.405, -0.005),
            "VLM-RM (1.0)": (-0.082, -0.492, -0.031, 0.084, -0.333, -0.171),
        }.items()
    },
    # Table 5, column VLP: labels with scripted labels, kind of coefficient not named.
    "label_correlation": {
        "button-press": 0.581,
        "door-close": 1.0,
        "drawer-close": 0.438,
        "faucet-close": 1.0,
        "window-open": 0.571,
        "mean": 0.718,
    },
    # Table 6: the five test tasks; which other tasks IVP and ILP draw from is not said.
    "language": {
        kind: dict(zip(_COLUMNS_6, values, strict=True))
        for kind, values in {
            "seen": (0.974, 0.917, 0.705, 0.555),
            "phrase": (0.958, 0.905, 0.704, 0.554),
            "description": (0.970, 0.919, 0.704, 0.558),
            "correct colour": (0.970, 0.919, 0.705, 0.556),
            "incorrect colour": (0.970, 0.918, 0.705, 0.557),
        }.items()
    },
}

TABLE_13 = {
    weights: dict(zip(_COLUMNS_6, values, strict=True))
    for weights, values in {
        (0.0, 0.5): (0.954, 0.741, 0.728, 0.618),
        (0.5, 0.5): (0.858, 0.747, 0.702, 0.578),
        (0.1, 0.0): (0.962, 0.630, 0.775, 0.646),
        (0.1, 1.0): (0.958, 0.965, 0.699, 0.554),
        (0.1, 0.5): (0.974, 0.917, 0.705, 0.555),
    }.items()
}
"""Effects of the weights of ILP and IVP, by (ILP, IVP)."""

TABLE_14 = {
    share: dict(zip(_COLUMNS_6, values, strict=True))
    for share, values in {
        0.5: (0.942, 0.896, 0.699, 0.557),
        0.75: (0.952, 0.897, 0.707, 0.555),
        1.0: (0.974, 0.917, 0.705, 0.555),
    }.items()
}
"""Effects of the share of the data that is trained on."""
