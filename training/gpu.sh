#!/usr/bin/env bash
# Everything that is to be known of Fathom on a GPU, in one go: is it right, how fast is it, what does PyTorch make of
# the same weights. Prints markdown for BENCHMARKS.md; twenty minutes on a large one.
#
#     training/gpu.sh                 the adapter that `fathom devices` calls gpu
#     training/gpu.sh NVIDIA          the one whose name contains that
#     PYTHON=.venv/bin/python training/gpu.sh      with PyTorch for CUDA, for the comparison
#
# Needs Rust and the GPU's Vulkan driver (`fathom doctor` says what is missing), for the comparison PyTorch and
# training/requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-gpu}
python=${PYTHON:-python3}

cargo build --release --locked -p fathom-cli
fathom="$(realpath "${CARGO_TARGET_DIR:-target}/release/fathom")"

section() { printf '\n## %s\n\n' "$*"; }
# Prints a command, for whoever wants to repeat it, and what comes of it.
show() {
    printf '`%s`\n\n' "$(printf '%s ' "$@" | sed "s#$fathom#fathom#; s/ $//")"
    "$@"
    printf '\n'
}

section "The device"
show "$fathom" devices
show "$fathom" doctor --device "$device"

section "Is it right: every kernel and variant, golden numbers, cache, batches, narrow weights"
# The tests take the GPU that `gpu` means.
show cargo test --release --locked -p fathom-tests --test kernels --test golden --test cache --test batch --test ahead \
    --test quantised --test self_check --test diagnosis

section "One sequence: weights, contexts, depths"
show "$fathom" bench --device "$device" --weights f32,f16,q8,q4 -p 256 -n 64 --depth 1,4,16 -r 5 -q
show "$fathom" bench --device "$device" --weights f16 -p 80,500 -n 64 --depth 1 -r 5 -q
show "$fathom" bench --device "$device" --weights f16 -p 256 -n 64 --depth 1,2,4,8,16 -r 5 -q --test decode

section "Batches"
show "$fathom" bench --device "$device" --weights f16 -p 256 -n 64 --depth 1 --batch 1,8,32 -r 5 -q

section "Where the time goes"
show "$fathom" bench --device "$device" --weights f16 -p 256 -n 64 --depth 1 --profile -q --test decode

section "Beside PyTorch on the same GPU"
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    cd training
    show "$python" speed.py --torch-device cuda --context 256 --depth 1,4,16 --reps 5 --fathom "$fathom" \
        --fathom-device "$device"
else
    echo "not done: $python has no PyTorch that sees a CUDA device"
fi
