#!/bin/sh
# Makes the pictures in docs/screenshots that show a terminal: runs a command and
# draws its output as SVG.
#
#   scripts/terminal.sh doctor      docs/screenshots/doctor.svg, with a dcr-dev of its own
#   scripts/terminal.sh stats       docs/screenshots/stats.svg, from the test of that command
#
# Set PYTHON to use another Python than python3.
set -eu

version=15.0.0 # of rich, which draws the pictures
python=${PYTHON:-python3}
go=${GO:-go}
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.venv

die() {
	echo "terminal.sh: $*" >&2
	exit 1
}

case "${1-}" in
doctor | stats) ;;
*)
	echo "usage: scripts/terminal.sh doctor|stats" >&2
	exit 2
	;;
esac

work=$(mktemp -d)
server=
# shellcheck disable=SC2329 # the trap calls it
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

installed() {
	"$venv/bin/python" -c 'import importlib.metadata, sys; sys.exit(importlib.metadata.version("rich") != sys.argv[1])' "$version" >/dev/null 2>&1
}

if ! installed; then
	command -v "$python" >/dev/null 2>&1 ||
		die "python3 is missing; install Python 3.10 or later with venv (Debian: apt install python3-venv)"
	echo "terminal.sh: installing rich $version into .venv" >&2
	[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" >"$work/log" 2>&1 ||
		die "$python cannot make a venv; install its venv module (Debian: apt install python3-venv): $(tail -n 1 "$work/log")"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "rich==$version" >"$work/log" 2>&1 ||
		die "cannot install rich $version: $(tail -n 1 "$work/log")"
	installed || die "rich $version does not work in $venv; remove that directory and try again"
fi

# draw NAME TITLE COLUMNS draws standard input as docs/screenshots/NAME.svg.
draw() {
	"$venv/bin/python" -I "$root/scripts/terminal.py" "$root/docs/screenshots/$1.svg" "$2" "$3"
}

if [ "$1" = stats ]; then
	(cd "$root" && scripts/moto.sh run "$go" test -count=1 ./cmd/dcrctl -run 'Script.*/stats$' -args -casts "$work" >"$work/log" 2>&1) || die "$(cat "$work/log")"
	draw stats 'dcrctl stats --quota 10' 80 <"$work/stats"
	exit
fi

(cd "$root" && "$go" build -o "$work" ./cmd/dcr-dev ./cmd/dcrctl) || die "cannot build dcr-dev and dcrctl"
mcp=localhost:8090
: >"$work/server"
DCR_DEV_COGNITO=localhost:9229 DCR_DEV_BROKER=localhost:8080 DCR_DEV_MCP=$mcp "$work/dcr-dev" run >"$work/server" 2>&1 &
server=$!
tries=0
until grep -q 'MCP server' "$work/server"; do
	kill -0 "$server" 2>/dev/null || die "dcr-dev ended: $(tail -n 1 "$work/server")"
	[ "$tries" -lt 300 ] || die "dcr-dev did not start within 30 seconds"
	tries=$((tries + 1))
	sleep 0.1
done

status=0
CLICOLOR_FORCE=1 NO_COLOR='' HOME=$work/home XDG_CONFIG_HOME=$work/home "$work/dcrctl" doctor "http://$mcp/mcp" >"$work/doctor" || status=$?
[ "$status" = 0 ] || die "dcrctl doctor ended with $status: $(cat "$work/doctor")"
# The ids of the clients differ from one run to the next.
sed 's/dcr_[a-z2-7]\{26\}/dcr_.../g' "$work/doctor" | draw doctor 'dcrctl doctor http://localhost:8090/mcp' 114
