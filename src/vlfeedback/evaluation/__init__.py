"""How good are labels? Accuracy, correlation, calibration and language, with intervals."""
