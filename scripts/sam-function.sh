#!/bin/sh
# Builds one function for `sam build`, which calls this script through make: the
# bootstrap and config/broker.json. Only `sam local` reads that document, with
# CONFIGURATION from an env-vars file; a deployed function reads its table.
#
#   ARTIFACTS_DIR=DIR scripts/sam-function.sh Register
#
# ARCHITECTURE must match the template's parameter: arm64, the default, or x86_64.
# sam does not pass the template's parameters to make.
set -eu

cd "$(dirname "$0")/.."
: "${ARTIFACTS_DIR:?is set by sam build}"
function=$(printf %s "$1" | tr '[:upper:]' '[:lower:]')

case ${ARCHITECTURE:-arm64} in
arm64) arch=arm64 ;;
x86_64) arch=amd64 ;;
*)
	echo "sam-function.sh: ARCHITECTURE is $ARCHITECTURE; it may be arm64 or x86_64" >&2
	exit 2
	;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
VERSION=${VERSION:-$(scripts/version.sh)} FUNCTIONS=$function ARCHS=$arch scripts/build.sh "$work"
mv "$work/$arch/$function/bootstrap" "$ARTIFACTS_DIR/bootstrap"
mkdir -p "$ARTIFACTS_DIR/config"
cp config/broker.json "$ARTIFACTS_DIR/config/broker.json"
