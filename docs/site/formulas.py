"""Formula and source of every metric of the registry; a test compares the names."""

POOLED = "van Rijsbergen, Information Retrieval (1979)"
BOUTS = "Lea et al., Temporal Convolutional Networks for Action Segmentation (CVPR 2017)"
ANGLES = "angle between two predicted points against the hand-set ones"
ANCHOR = "[what windows allow](../mouse_action.md)"

FORMULAS: dict[str, tuple[str, str]] = {
    "macro_f1": ("mean over the classes that occur in the truth of 2 TP / (2 TP + FP + FN)", POOLED),
    "average_precision": (
        "Σₖ (recallₖ − recallₖ₋₁) · precisionₖ over falling scores; mean over classes",
        "Davis and Goadrich, ICML 2006",
    ),
    "balanced_accuracy": (
        "mean over the classes that occur in the truth of TP / (TP + FN)",
        "Brodersen et al., ICPR 2010",
    ),
    "auroc": (
        "P(score of a positive > score of a negative) + ½ P(equal); mean over classes",
        "Hanley and McNeil, 1982",
    ),
    "r2": ("1 − Σ (y − ŷ)² / Σ (y − ȳ)²", "Wright, 1921"),
    "mse": ("mean of (y − ŷ)²", "mean squared error; MABe 2022 (arXiv:2207.10553)"),
    "f1": ("2 TP / (2 TP + FP + FN) of the second class", POOLED),
    "edit": ("1 − Levenshtein distance of the two sequences of segments / length of the longer", BOUTS),
    "macro_f1_foreground": ("mean of F1 over the classes without the background", POOLED),
    "macro_precision_foreground": ("mean of TP / (TP + FP) over the classes without the background", POOLED),
    "macro_recall_foreground": ("mean of TP / (TP + FN) over the classes without the background", POOLED),
    "f1/{}": ("2 TP / (2 TP + FP + FN) of one class", POOLED),
    "precision/{}": ("TP / (TP + FP) of one class", POOLED),
    "recall/{}": ("TP / (TP + FN) of one class", POOLED),
    "iou/{}": ("TP / (TP + FP + FN) of one class", "Jaccard, 1912"),
    "ceiling_f1/{}": ("F1 of windows that are all labelled rightly: what the length of the windows allows", ANCHOR),
    "frame_f1/{}": ("F1 of one class over frames, of a system that predicts bouts", POOLED),
    "pixel_error_median/{}": (
        "median of the distance to the hand-set point, in pixels",
        "median of Euclidean distances",
    ),
    "pixel_error_p95/{}": (
        "95 % quantile of the distance to the hand-set point, in pixels",
        "quantile of Euclidean distances",
    ),
}
for _least in ("0.1", "0.25", "0.5"):
    _text = f"F1 of bouts; a hit is a predicted bout with intersection over union of at least {_least} with a true one"
    FORMULAS[f"bout_f1@{_least}"] = (_text, BOUTS)
FORMULAS["bout_f1@0.5/{}"] = (f"{_text}, of one class", BOUTS)
FORMULAS["ceiling_bout_f1@0.5/{}"] = (f"{_text}, of windows that are all labelled rightly", ANCHOR)
for _which in ("head", "body"):
    _angle = f"absolute {_which} angle error in degrees"
    FORMULAS[f"{_which}_angle_median_deg"] = (f"median of the {_angle}", ANGLES)
    FORMULAS[f"{_which}_angle_p90_deg"] = (f"90 % quantile of the {_angle}", ANGLES)
    FORMULAS[f"{_which}_angle_share_over_30"] = (f"share of frames whose {_angle} is above 30", ANGLES)
    FORMULAS[f"{_which}_angle_flips"] = (f"share of frames whose {_angle} is above 90", ANGLES)
