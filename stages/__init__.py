"""The stages and the commands; what must hold before one of them imports numpy."""

import os
from pathlib import Path

_PROCESSOR = Path("/proc/cpuinfo")
# With AVX-512 OpenBLAS takes other kernels, whose sums differ in the last digit, and so would the data's bytes: all
# processors take those of AVX2.
if _PROCESSOR.is_file() and " avx512f " in _PROCESSOR.read_text(errors="replace"):
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
