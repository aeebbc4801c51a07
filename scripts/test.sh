#!/bin/sh
# Runs every test of the module with the race detector. A test that needs moto's
# DynamoDB or Cognito fails if it finds none.
#
#   scripts/test.sh [ARG...]         with arguments for go test, such as -count=1
#
# The packages whose tests use moto run two at a time, each on a moto server
# of its own, as moto does one thing at a time. Set GO and PYTHON to use others
# than go and python3.
set -eu
cd "$(dirname "$0")/.."

go=${GO:-go}
kit=$("$go" list ./test/localserver)
moto=$PWD/scripts/moto.sh

# Each test binary with the packages that it links.
binaries=$("$go" list -test -f '{{if eq .Name "main"}}{{.ImportPath}} ,{{join .Deps ","}},{{end}}' ./... | grep '^[^ ]*\.test ')
on_moto=$(echo "$binaries" | grep ",$kit," | sed 's/\.test .*//')
others=$(echo "$binaries" | grep -v ",$kit," | sed 's/\.test .*//')

"$moto" install
export REQUIRE_DYNAMODB=1 REQUIRE_MOTO_COGNITO=1
# At exit, the race detector waits a second for other goroutines. That is a second
# for each test binary, and for each dcrctl that a script runs.
export GORACE="atexit_sleep_ms=0 ${GORACE-}"
status=0
# shellcheck disable=SC2086 # lists of packages
{
	"$go" test -race -timeout 20m -p 2 -exec "'$moto' run" "$@" $on_moto || status=1
	"$go" test -race -timeout 20m "$@" $others || status=1
}
exit "$status"
