#!/bin/sh
# Build the wheel, install it in a clean environment, and run the main job from another folder.
set -eu
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --quiet --wheel --outdir "$work/dist" "$root"
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "$work"/dist/*.whl
cp "$root/examples/matmul_512.c" "$work"
cd "$work"
venv/bin/liftproof optimize matmul_512.c --budget 8 --json > report.json
venv/bin/python -c 'import json; r = json.load(open("report.json")); assert r["verdict"] == "proved", r'
test -s out/matmul_512/kernel.c
venv/bin/xdsl-opt out/matmul_512/tensor.mlir -p gemmini-lower-linalg > /dev/null
echo "wheel: ok"
