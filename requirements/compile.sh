#!/usr/bin/env bash
# Compiles requirements/*.in into the requirements*.txt at the top, with uv, which takes hashes from the index, not from files at
# hand. Versions that stand there stay; to move one, change it in its list, or delete its lines above if it is in none.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=work/uv/bin/uv
test -x $uv || { "${PYTHON:-python3}" -m venv work/uv && work/uv/bin/pip install --quiet uv==0.13.9; }
export UV_CUSTOM_COMPILE_COMMAND="make requirements"
# uv repeats on every line which machines it resolved for ([tool.uv] in pyproject.toml). Elsewhere pip would then skip them all
# and succeed; without this, it says which package has no file for the machine.
linux="(platform_machine == 'aarch64' and sys_platform == 'linux') or (platform_machine == 'x86_64' and sys_platform == 'linux')"
mac="(platform_machine == 'arm64' and sys_platform == 'darwin')"
compile() {
  $uv pip compile --quiet ${3:-} --universal --python-version 3.11 --generate-hashes --annotation-style line "requirements/$1.in" -o "$2"
  sed -i.old -e "s/ and ($mac or $linux)//" -e "s/python_full_version < '3.14' and //" -e "s/ ; python_full_version < '3.14'//" "$2"
  rm "$2.old"
}
compile cpu requirements.txt
compile dev requirements-dev.txt
compile gpu requirements-gpu.txt
compile networks requirements-networks.txt --no-deps
compile docs requirements-docs.txt
compile remotes requirements-remotes.txt
