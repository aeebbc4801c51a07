#!/bin/sh
# Tests and deploys the CDK construct of infra/cdk and its app. Only a deployment
# needs an AWS account; nothing needs Docker.
#
#   scripts/cdk.sh test [ARG...]     go vet and go test in infra/cdk and examples/cdk, with arguments for go test
#   scripts/cdk.sh synth [ARG...]    writes what the app would deploy to infra/cdk/cdk.out
#   scripts/cdk.sh cdk ARG...        the CDK's command line with the app, as in: cdk deploy -c userPoolId=...
#   scripts/cdk.sh example ARG...    the same with the app of examples/cdk, as in: example deploy McpServer
#
# Paths in the context (-c dist=PATH, sourceDir) are relative to the current
# directory.
#
# It installs an exact version of the CDK's command line. On Linux it also installs
# Node.js 22 if there is no recent version; elsewhere Node.js 22 or later must be
# installed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
module=$root/infra/cdk
cli=$module/cli

die() {
	echo "cdk.sh: $*" >&2
	exit 1
}

case "${1-}" in
test | synth) ;;
cdk | example) [ $# -gt 1 ] || die "a command is missing, as in: scripts/cdk.sh $1 deploy" ;;
*)
	echo "usage: scripts/cdk.sh test [ARG...] | synth [ARG...] | cdk ARG... | example ARG..." >&2
	exit 2
	;;
esac
command=$1
shift

# The app runs in another directory, so paths become absolute.
left=$#
while [ "$left" -gt 0 ]; do
	arg=$1
	shift
	case $arg in
	dist=[!/]* | sourceDir=[!/]*) arg=${arg%%=*}=$PWD/${arg#*=} ;;
	esac
	set -- "$@" "$arg"
	left=$((left - 1))
done

command -v npm >/dev/null 2>&1 || die "npm is missing; install Node.js 22 or later"
if ! cmp -s "$cli/package-lock.json" "$cli/node_modules/installed"; then
	log=$(mktemp)
	(cd "$cli" && npm ci) >"$log" 2>&1 || die "npm ci failed, see $log: $(tail -n 1 "$log")"
	rm -f "$log"
	cp "$cli/package-lock.json" "$cli/node_modules/installed"
fi
recent() { "$1" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 22 ? 1 : 0)' 2>/dev/null; }
if ! recent node; then
	for node in "$cli"/node_modules/node-linux-*/bin; do
		if recent "$node/node"; then
			PATH=$node:$PATH
			break
		fi
	done
	recent node || die "Node.js 22 or later is needed, this is $(node --version)"
fi
export PATH

CDK_CLI=$cli/node_modules/.bin/cdk
export CDK_CLI
# No telemetry and no version check: the CDK contacts only the account that it
# deploys to.
export CDK_DISABLE_CLI_TELEMETRY=true CDK_DISABLE_VERSION_CHECK=true

cd "$module"
case $command in
test)
	# staticcheck has the version in the broker's go.mod.
	tools=$(mktemp -d)
	trap 'rm -rf "$tools"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	(cd "$root" && "${GO:-go}" build -o "$tools/staticcheck" honnef.co/go/tools/cmd/staticcheck)
	"$tools/staticcheck" ./...
	"${GO:-go}" vet ./...
	"${GO:-go}" test "$@" ./...
	cd "$root/examples/cdk"
	"${GO:-go}" vet ./...
	"${GO:-go}" test "$@" ./...
	;;
synth) "$CDK_CLI" synth --no-notices --no-version-reporting --quiet "$@" ;;
cdk) "$CDK_CLI" "$@" ;;
example)
	cd "$root/examples/cdk"
	"$CDK_CLI" "$@"
	;;
esac
