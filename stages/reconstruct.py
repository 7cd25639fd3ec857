"""Photos to 3D faces: see `pipeline.commands.reconstruct`. A command, not a stage."""

import os

if __name__ == "__main__":
    # Once numpy and OpenCV are imported it is too late: the threads of their OpenBLAS keep the cores busy as they wait.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from pipeline.commands.reconstruct import main

if __name__ == "__main__":
    main()
