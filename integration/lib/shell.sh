# SPDX-License-Identifier: PostgreSQL
# What the scripts for people share (tests/run, integration/quickstart, integration/bench/run):
# words on the terminal, Debian packages, the build, PostgreSQL as somebody who is not root.
# Sourced by bash; the caller is in the root of the project.

if [ -t 1 ] && [ "${NO_COLOR:-}" = "" ]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
else
    bold='' green='' red='' dim='' plain=''
fi

step() { printf '%s==>%s %s%s%s\n' "$green" "$plain" "$bold" "$*" "$plain"; }
say() { printf '    %s\n' "$*"; }
quietly_say() { printf '    %s%s%s\n' "$dim" "$*" "$plain"; }
complain() { printf '%s==> %s%s\n' "$red" "$*" "$plain" >&2; }

postgresql_bin="${PGWEIR_POSTGRESQL_BIN:-/usr/lib/postgresql/15/bin}"

build_packages=(g++ make cmake ninja-build ccache pkg-config git ca-certificates libssl-dev
    libuv1-dev libspdlog-dev libpq-dev libpg-query-dev libcli11-dev libtomlplusplus-dev
    libmicrohttpd-dev nlohmann-json3-dev doctest-dev openssl postgresql-15 postgresql-client-15)

is_installed() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" 2>/dev/null || sudo "$@"; fi
}

# install_packages NAME…: those that are not there yet; needs root or sudo only for them.
install_packages() {
    local missing=() name log
    for name in "$@"; do is_installed "$name" || missing+=("$name"); done
    [ ${#missing[@]} = 0 ] && return 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        complain "Debian packages are missing, and this is neither root nor is there sudo."
        complain "As root: apt-get install ${missing[*]}"
        return 1
    fi
    say "installing ${missing[*]}"
    log=$(mktemp)
    # A throw-away server is all we want: Debian's own, on port 5432, need not be made.
    if ! [ -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' |
            as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends
        -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "${missing[@]}")
    if as_root "${install[@]}" >"$log" 2>&1 ||
        { as_root apt-get update -o Acquire::Retries=3 >>"$log" 2>&1 &&
            as_root "${install[@]}" >>"$log" 2>&1; }; then
        rm -f "$log"
        return 0
    fi
    tail -n 30 "$log" >&2
    complain "apt-get could not install ${missing[*]} (the whole log: $log)"
    return 1
}

# build FOLDER LOG [CMAKE OPTION…] -- [TARGET…]
build() {
    local folder=$1 log=$2 options=() began=$SECONDS
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
    [ $# -gt 0 ] && shift
    if cmake -S . -B "$folder" -G Ninja "${options[@]}" >"$log" 2>&1 &&
        ninja -C "$folder" "$@" >>"$log" 2>&1; then
        quietly_say "built in $((SECONDS - began)) s"
        return 0
    fi
    grep -E -A 12 'error|FAILED|CMake Error' "$log" | head -n 60 >&2
    complain "the build in $folder failed (the whole log: $log)"
    return 1
}

# As the user "postgres" (or "nobody") if we are root: PostgreSQL refuses to run as root.
unprivileged() {
    if [ "$(id -u)" != 0 ]; then "$@"; return; fi
    local account=postgres
    id postgres >/dev/null 2>&1 || account=nobody
    # Not in the caller's folder, which that account may not be allowed to see.
    (cd / && exec setpriv --reuid="$account" --regid="$(id -g "$account")" --clear-groups "$@")
}

# A folder that `unprivileged` may write in.
unprivileged_folder() {
    local folder
    folder=$(mktemp -d "${TMPDIR:-/tmp}/pgweir-$1-XXXXXX") || return 1
    chmod 755 "$folder"
    if [ "$(id -u)" = 0 ]; then
        chown postgres "$folder" 2>/dev/null || chown nobody "$folder"
    fi
    printf '%s\n' "$folder"
}

# A port on 127.0.0.1 that nobody listens on, below the range of ephemeral ports.
free_port() {
    local port attempt
    for attempt in $(seq 100); do
        port=$((15000 + (RANDOM * 32768 + RANDOM) % 16999))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    complain "no free port found on 127.0.0.1"
    return 1
}
