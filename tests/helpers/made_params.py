"""Parameters of training, of a made-up project."""

TERMS = {"regions": True, "position": 1.0, "symmetry": 0.0, "smoothness": 0.0}
UNCHANGED = {
    "copies": 0,
    "rotation_deg": 0,
    "zoom": [1.0, 1.0],
    "shift": 0,
    "channel_gain": [1.0, 1.0],
    "noises": 0,
}
PARAMS = {
    "train": {
        "variant": "final",
        "policy": "full",
        "level": "on",
        "scaling": "tanh",
        "strategy": "joint",
        "init": "random",
        "lr": 0.001,
        "recipe": "plain",
        "budget": 30,
        "batch_size": 4,
        "seeds": [1],
        "backend": "tensorflow",
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
        "lean": False,
        "convolution": "full",
    },
    "loss": {"norm": "l1", "brief": TERMS, "final": TERMS},
    "recipes": {
        "plain": {"optimizer": "adam", "schedule": "halvings", "halve_every": 5, "patience": 5},
        "cycle": {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine", "warm_up": 0.05, "patience": 9},
    },
    "augmented": {
        "seed": 1,
        "policies": {
            "none": UNCHANGED,
            "full": UNCHANGED | {"copies": 3, "rotation_deg": 45, "zoom": [0.7, 1.3], "noises": 3},
            "online": UNCHANGED | {"online": True, "rotation_deg": 34, "mirror": 0.5},
        },
    },
    "variants": {
        "final": {},
        "prn": {"network": {"residual": False}},
        "coarse": {"train": {"scaling": "sigmoid", "recipe": "cycle"}, "loss": {"norm": "l2"}},
    },
    "thesis": {
        "variants": {
            "prn": {"init": "random", "policy": "full", "level": "on"},
            "coarse": {"init": "prn", "policy": "none", "level": "off"},
        }
    },
}
