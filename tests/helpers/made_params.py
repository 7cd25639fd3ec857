"""Parameters of training, of a made-up project."""

TERMS = {"regions": True, "position": 1.0, "symmetry": 0.0, "smoothness": 0.0}
PARAMS = {
    "train": {
        "variant": "final",
        "policy": "full",
        "level": "on",
        "scaling": "tanh",
        "strategy": "joint",
        "init": "random",
        "lr": 0.001,
        "epochs": 3,
        "batch_size": 4,
        "seeds": [1],
        "halve_every": 5,
        "patience": 5,
        "xla": False,
        "precision": "float32",
        "devices": 1,
    },
    "network": {
        "regresses": "position_map",
        "width": 8,
        "levels": 5,
        "batch_norm_momentum": 0.9,
        "residual": True,
        "residual_blocks": 8,
        "residual_width": 16,
        "residual_head_width": 64,
        "residual_join": "logits",
        "residual_stages": 1,
        "residual_shrink": 1,
    },
    "loss": {"norm": "l1", "brief": TERMS, "final": TERMS},
    "variants": {
        "final": {},
        "prn": {"network": {"residual": False}},
        "coarse": {"train": {"scaling": "sigmoid", "lr": 1e-05}, "loss": {"norm": "l2"}},
    },
    "thesis": {
        "variants": {
            "prn": {"init": "random", "policy": "full", "level": "on"},
            "coarse": {"init": "prn", "policy": "none", "level": "off"},
        }
    },
}
