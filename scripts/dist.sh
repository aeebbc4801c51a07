#!/bin/sh
# Builds the files of a release into OUTPUT:
#
#   FUNCTION_ARCH.zip        a Lambda function for the runtime provided.al2023
#   TOOL_OS_ARCH.tar.gz      dcrctl and dcr-dev, each with the example of a
#                            configuration and its schema; .zip for Windows
#   sbom.cdx.json            the modules in each, as a CycloneDX document
#   LICENSE, THIRD_PARTY_LICENSES.txt
#   SHA256SUMS               of all of these
#
#   scripts/dist.sh [OUTPUT]         default: dist
#
# VERSION is the version of the programs; the default comes from git. FUNCTIONS and
# ARCHS (of functions) and PLATFORMS (of tools, OS/ARCH) limit what is built; each
# is a list separated by spaces, and the default is all.
# The same source, VERSION and Go give the same bytes on every machine.
set -eu

absolute() {
	case $1 in
	/*) printf '%s\n' "$1" ;;
	*) printf '%s\n' "$PWD/$1" ;;
	esac
}

out=$(absolute "${1:-dist}")
cd "$(dirname "$0")/.."
VERSION=$(scripts/version.sh)
export VERSION

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

scripts/build.sh "$work/functions"
for platform in ${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}; do
	os=${platform%/*} arch=${platform#*/} suffix=
	[ "$os" != windows ] || suffix=.exe
	for tool in dcrctl dcr-dev; do
		scripts/compile.sh "$os" "$arch" "$work/tools/${os}_$arch/$tool$suffix" "./cmd/$tool"
	done
done
GOFLAGS=-mod=readonly "${GO:-go}" run ./scripts/pack -version "$VERSION" -functions "$work/functions" -tools "$work/tools" -out "$out"
