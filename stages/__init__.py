"""The stages and the commands; what must hold before one of them imports numpy or OpenCV."""

import os
import sys
from pathlib import Path
from types import TracebackType

# With AVX-512 these libraries compute by other instructions, whose results differ in the last digit, and so would the
# data's bytes: all processors take what is there for AVX2.
SAME_EVERYWHERE = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V4", "OPENCV_IPP": "avx2"}

_processor = Path("/proc/cpuinfo")
if _processor.is_file() and " avx512vl " in _processor.read_text(errors="replace"):
    for _name, _value in SAME_EVERYWHERE.items():
        os.environ.setdefault(_name, _value)


def _end_quietly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


# Ctrl-C while a stage or a command imports what it needs is no mistake that a traceback would tell of.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = _end_quietly
