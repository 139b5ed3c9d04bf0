#!/bin/sh
# Makes .venv with everything that the project's commands need, from the lock files; called by make.
#
# Needs Python 3.11 or newer. On Debian, the packages that python3 leaves out are installed when they are missing.
set -eu
cd "$(dirname "$0")/.."

fail() {
    printf 'make: step "Python environment" failed: %s\n  What to do: %s\n' "$1" "$2" >&2
    exit 1
}

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$python is not Python 3.11 or newer" "install it, or name it: make PYTHON=/path/to/python3.12"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    command -v apt-get >/dev/null || fail "$python has no venv module" "install your system's python3-venv package"
    echo "  installing python3-venv" >&2
    apt-get -o DPkg::Lock::Timeout=120 -qq update && apt-get -o DPkg::Lock::Timeout=120 -qq install -y python3-venv ||
        fail "apt-get could not install python3-venv" "see its message above; make needs root for this"
fi

echo "  creating .venv from requirements/dev.txt (about a minute)" >&2
[ -x .venv/bin/python ] || "$python" -m venv .venv
# The lock files are complete. Were pip to look for itself, it would take a package's newest release for "package[extra]",
# which has no hash there.
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes \
    -r requirements/build.txt -r requirements/dev.txt ||
    fail "pip could not install the locked packages" "see its message above; check the network and pip's configuration"
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e . ||
    fail "the project itself could not be installed" "see pip's message above"
touch .venv/ready
