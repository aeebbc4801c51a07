#!/bin/sh
# Runs a command with a local DynamoDB and Cognito: moto's server on a free
# loopback port. It sets the environment variables that the tests and the AWS SDK
# read. When the command ends, the server stops; the exit status is the command's.
#
#   scripts/moto.sh run CMD [ARG...]
#   scripts/moto.sh install            only installs moto
#
# Set PYTHON to use another Python than python3. Set MOTO_ADDRESS to use another
# address of this machine than 127.0.0.1. The server has no access control: every
# machine that reaches the address can use it.
set -eu

version=5.2.1
python=${PYTHON:-python3}
address=${MOTO_ADDRESS:-127.0.0.1}
venv=$(cd "$(dirname "$0")/.." && pwd)/.venv

die() {
	echo "moto.sh: $*" >&2
	exit 1
}

if { [ "${1-}" != run ] || [ $# -lt 2 ]; } && [ "$*" != install ]; then
	echo "usage: scripts/moto.sh run CMD [ARG...] | install" >&2
	exit 2
fi
command=$1
shift

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
	"$venv/bin/python" - "$version" >/dev/null 2>&1 <<-'PYTHON'
		import importlib.metadata, sys
		import flask, flask_cors
		sys.exit(importlib.metadata.version("moto") != sys.argv[1])
	PYTHON
}

if ! installed; then
	command -v "$python" >/dev/null 2>&1 ||
		die "python3 is missing; install Python 3.10 or later with venv (Debian: apt install python3-venv)"
	"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
		die "Python 3.10 or later is needed, $python is $("$python" --version 2>&1)"
	echo "moto.sh: installing moto $version into .venv" >&2
	"$python" -m venv "$venv" >"$work/log" 2>&1 ||
		die "$python cannot make a venv; install its venv module (Debian: apt install python3-venv): $(tail -n 1 "$work/log")"
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "moto[server]==$version" >"$work/log" 2>&1 ||
		die "cannot install moto $version: $(tail -n 1 "$work/log")"
	installed || die "moto $version does not work in $venv; remove that directory and try again"
fi

[ "$command" = run ] || exit 0

# The server binds a free port itself and prints it, so no other process can take
# the port in between.
PYTHONUNBUFFERED=1 "$venv/bin/moto_server" -H "$address" -p 0 >"$work/server" 2>&1 &
server=$!

endpoint=
tries=0
while [ -z "$endpoint" ]; do
	kill -0 "$server" 2>/dev/null || die "moto's server ended: $(tail -n 1 "$work/server")"
	[ "$tries" -lt 600 ] || die "moto's server did not start within a minute"
	tries=$((tries + 1))
	sleep 0.1
	endpoint=$(sed -n "s,.*Running on \\(http://$address:[0-9]*\\).*,\\1,p" "$work/server" | head -n 1)
done
echo "moto.sh: DynamoDB and Cognito at $endpoint" >&2

status=0
DYNAMODB_ENDPOINT=$endpoint MOTO_COGNITO_ENDPOINT=$endpoint \
	AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_SESSION_TOKEN='' \
	AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1 \
	"$@" || status=$?
exit "$status"
