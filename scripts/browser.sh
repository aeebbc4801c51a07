#!/bin/sh
# Tests the broker's pages in a real browser, headless Chromium.
#
#   scripts/browser.sh pages         every page: accessibility, keyboard, redirects
#   scripts/browser.sh flow          the whole flow with the broker at BASE_URL; default: a dcr-dev of its own
#   scripts/browser.sh screenshots   makes the pictures in docs/screenshots
#
# It installs the packages of test/browser and, on Debian as root, Chromium and a
# typeface if Chromium is missing. Set CHROMIUM to use another browser than the
# system's.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tests=$root/test/browser

die() {
	echo "browser.sh: $*" >&2
	exit 1
}

case "${1-}" in
pages | flow | screenshots) ;;
*)
	echo "usage: scripts/browser.sh pages | flow | screenshots" >&2
	exit 2
	;;
esac
command=$1
shift

work=$(mktemp -d)
server=
stop() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

has_chromium() {
	[ -n "${CHROMIUM-}" ] || command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1
}

if ! has_chromium; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		die "Chromium is missing; install it (Debian: apt-get install chromium fonts-liberation2) or set CHROMIUM"
	fi
	echo "browser.sh: installing Chromium" >&2
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium fonts-liberation2; } >"$work/log" 2>&1 ||
		die "cannot install Chromium: $(tail -n 1 "$work/log")"
fi

command -v node >/dev/null 2>&1 || die "Node.js is missing; install version 20 or later"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || die "Node.js 20 or later is needed, this is $(node --version)"
if ! cmp -s "$tests/package-lock.json" "$tests/node_modules/installed"; then
	command -v npm >/dev/null 2>&1 || die "npm is missing"
	(cd "$tests" && npm ci) >"$work/log" 2>&1 || die "npm ci failed: $(tail -n 1 "$work/log")"
	cp "$tests/package-lock.json" "$tests/node_modules/installed"
fi

if [ "$command" != flow ]; then
	(cd "$root" && "${GO:-go}" build -o "$work/preview" ./test/browser/preview) || die "cannot build the preview server"
	export PREVIEW="$work/preview"
fi

if [ "$command" = flow ] && [ -z "${BASE_URL-}" ]; then
	(cd "$root" && "${GO:-go}" build -o "$work/dcr-dev" ./cmd/dcr-dev) || die "cannot build dcr-dev"
	AUTHORIZATION=brokered "$work/dcr-dev" run --cognito=localhost:0 --broker=localhost:0 --mcp=localhost:0 >"$work/out" 2>&1 &
	server=$!
	for _ in $(seq 100); do
		BASE_URL=$(sed -n 's/^ *Broker  *\(http:[^ ]*\).*/\1/p' "$work/out")
		[ -z "$BASE_URL" ] || break
		kill -0 "$server" 2>/dev/null || die "dcr-dev did not start: $(tail -n 1 "$work/out")"
		sleep 0.1
	done
	[ -n "$BASE_URL" ] || die "dcr-dev does not print the broker's address"
	export BASE_URL
fi

cd "$tests"
case $command in
screenshots) node screenshots.mjs "$@" ;;
*) node --test --test-timeout=180000 --test-reporter=spec "$@" "$command.mjs" ;;
esac
