"""How the validation loss of a run rose and fell, as the thesis's page tells it."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# A rise of the validation loss above its best so far that counts as one of section 4.7's abrupt changes, in percent.
JUMP_PERCENT = 10.0
# A loss was still falling if its best in the last share of the passes is so many percent below its best before.
LAST_SHARE, FALLING_PERCENT = 0.1, 1.0


def loss_rises(run: pd.DataFrame) -> NDArray[np.float64]:
    """Rise of the validation loss of an output above its best so far, in percent, at each validation but the first.

    Where a phase goes on with the output of the one before, its beginning counts: that is where losses jump. Phase
    `brief` alone has another output.
    """
    rises = [
        100 * (losses[1:] / np.minimum.accumulate(losses)[:-1] - 1)
        for losses in (part["val_loss"].to_numpy(np.float64) for _, part in run.groupby(run["phase"] == "brief"))
    ]
    return np.concatenate(rises)


def still_falling(run: pd.DataFrame) -> bool | None:
    """Say whether the validation loss of a seed's last output was still falling when training ended.

    It was if its best in the last tenth of the passes is more than 1 % below its best before. None where there was no
    validation of that output before: nothing can be told.
    """
    judged = run[run["phase"] != "brief"]
    late = judged["passes"] > (1 - LAST_SHARE) * run["passes"].max()
    before, at_end = judged.loc[~late, "val_loss"], judged.loc[late, "val_loss"]
    return None if before.empty else bool(at_end.min() < (1 - FALLING_PERCENT / 100) * before.min())
