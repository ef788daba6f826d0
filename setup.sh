# What `./test` and `./demo` need of a machine; sourced by both. On a bare Debian or Ubuntu machine everything is
# installed that is missing, elsewhere it says what to install.

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
install() {
  have apt-get || { echo "please install: $*" >&2; exit 1; }
  if [ -z "${updated:-}" ]; then as_root apt-get update -q; updated=yes; fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

need_rust() {
  [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  if ! have cargo; then
    have curl || install curl ca-certificates
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c clippy -c rustfmt
    . "$HOME/.cargo/env"
  fi
  have cc || install build-essential
  if have rustup; then
    for component in clippy rustfmt; do
      rustup component list --installed | grep -q "^$component" || rustup component add "$component"
    done
    rustup target list --installed | grep -q '^wasm32-unknown-unknown$' || rustup target add wasm32-unknown-unknown
  fi
  cargo --version
}

# The GPU tests need an adapter; lavapipe (Mesa's Vulkan on the processor) is one everywhere.
need_vulkan() {
  has_vulkan() { compgen -G '/usr/share/vulkan/icd.d/*.json' || compgen -G '/etc/vulkan/icd.d/*.json'; }
  if [ "$(uname)" = Linux ] && ! has_vulkan >/dev/null; then
    install mesa-vulkan-drivers
  fi
}

# Node 20.19 or later, to build the page. Distributions may have an older one; npm has the others.
need_node() {
  is_new() { node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; }
  have npm || install nodejs npm
  if ! is_new; then
    npm install --no-save --no-audit --no-fund --prefix target/node node@22
    PATH="$PWD/target/node/node_modules/node/bin:$PATH"
    is_new || { echo "please install: Node 20.19 or later" >&2; exit 1; }
  fi
  echo "node $(node --version)"
}

need_chromium() {
  if [ -n "${CHROMIUM:-}" ]; then return; fi
  have chromium || have chromium-browser || have google-chrome || install chromium fonts-liberation
  CHROMIUM="$(command -v chromium || command -v chromium-browser || command -v google-chrome)"
  export CHROMIUM
}

# Python with the packages that a folder's requirements.txt says, in target/NAME.
need_python() {
  local folder="$1" venv="target/$2"
  have python3 || install python3
  python3 -c 'import ensurepip, venv' 2>/dev/null || install python3-venv
  if [ ! -f "$venv/installed" ] || [ "$folder/requirements.txt" -nt "$venv/installed" ]; then
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$folder/requirements.txt"
    touch "$venv/installed"
  fi
}

# Exactly what a folder's package-lock.json says, unless it is there already.
npm_ci() {
  local lock="$1/node_modules/.package-lock.json"
  if [ ! -f "$lock" ] || [ "$1/package-lock.json" -nt "$lock" ]; then
    (cd "$1" && npm ci --no-audit --no-fund)
    touch "$lock"
  fi
}

# Builds the npm package; `kernels` what the browser's tests of the kernels need.
fathom_package() { cargo run --locked -q -p fathom-package -- "$@"; }

# The npm package, then the page: static files in web/dist.
build_page() {
  fathom_package
  npm_ci web
  (cd web && npm run -s build)
}
