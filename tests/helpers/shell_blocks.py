"""The commands in the fenced blocks of a page, as one who reads it would type them."""

import re
from pathlib import Path

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s+# .*$")


def commands_of(page: Path) -> list[str]:
    """Commands of the blocks without a language, a line each, and each block of Python whole."""
    found: list[str] = []
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            found.append(f"python - <<'END'\n{block}END")
        elif not language:
            lines = block.replace("\\\n", " ").splitlines()
            found += [re.sub(r"\s+", " ", COMMENT.sub("", line)).strip() for line in lines if line.strip()]
    return found
