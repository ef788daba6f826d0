#!/usr/bin/env bash
# What takes too long for `./test`: fuzzing, soak, interrupted downloads, licences and advisories of dependencies.
#
#   tests/long.sh            all of it, about three hours
#   tests/long.sh fuzz 60    only the fuzz targets, 60 seconds each
#   tests/long.sh soak | kills | deny
set -euo pipefail
cd "$(dirname "$0")/.."
. ./setup.sh

fuzz() {
  local seconds="${1:-600}"
  rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
  cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
  # What earlier runs found worth keeping.
  tar -xzf fuzz/corpus.tar.gz -C fuzz
  for target in $(cargo +nightly fuzz list); do
    step "fuzz $target, $seconds s"
    mkdir -p "fuzz/corpus/$target"
    # A million executions or the time, whichever is first.
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
      -runs=1000000 "-max_total_time=$seconds" -max_len=65536 -rss_limit_mb=4096 -print_final_stats=1
  done
}

soak() {
  step "soak: 10,000 tokens, 1,000 loads"
  cargo test --locked -p fathom-tests --test trouble -- --ignored --nocapture --test-threads 1
}

kills() {
  step "200 downloads killed at random moments"
  cargo build --locked -p fathom-cli
  cargo test --locked -p fathom-tests --test cli -- --ignored --nocapture --test-threads 1
}

deny() {
  step "licences, advisories, sources"
  cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
  cargo deny check
}

need_rust
need_vulkan
if [ $# -gt 0 ]; then "$@"; else deny && kills && soak && fuzz; fi
step "all passed"
