"""The scripts of the page for browsers, run by Node.js as the page runs them, without what needs a page."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import stages.pages.page
from stages.pages.browser_page import SCRIPTS

NODE = shutil.which("node")
TEMPLATES = Path(stages.pages.page.__file__).parent / "templates"
PURE = [name for name in SCRIPTS if name.startswith("in_browser/") and not name.endswith(("page.js", "networks.js"))]


def run_scripts(known: dict[str, Any], given: dict[str, Any], expression: str) -> Any:
    """Value of an expression in which `KNOWN` and `given` are known, through JSON."""
    code = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in PURE)
    code = f"const {{KNOWN, given}} = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n{code}\n"
    code += f"console.log(JSON.stringify({expression}));\n"
    values = json.dumps({"KNOWN": known, "given": given})
    result = subprocess.run(
        [str(NODE), "-e", code], input=values, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)
