#!/bin/sh
# Builds the Lambda functions for the runtime provided.al2023:
# OUTPUT/ARCH/FUNCTION/bootstrap.
#
#   scripts/build.sh [OUTPUT]        OUTPUT is dist unless given
#
# FUNCTIONS and ARCHS say which, separated by spaces; all of both unless set.
# TARGET_OS is for tests, which run what they build on this machine.
# The same source and the same Go give the same bytes, wherever and whenever.
set -eu

out=${1:-dist}
case $out in
/*) ;;
*) out=$PWD/$out ;;
esac
cd "$(dirname "$0")/.."

functions=${FUNCTIONS:-$(cd functions && for main in */main.go; do echo "${main%/main.go}"; done)}
for arch in ${ARCHS:-arm64 amd64}; do
	for function in $functions; do
		# No cgo, no paths, no symbols and nothing of git in the binary; GOFLAGS
		# and the instruction sets are not left to the environment.
		GOOS=${TARGET_OS:-linux} GOARCH=$arch CGO_ENABLED=0 GOFLAGS=-mod=readonly GOEXPERIMENT='' GOARM64=v8.0 GOAMD64=v1 \
			"${GO:-go}" build -trimpath -buildvcs=false -tags lambda.norpc -ldflags '-s -w -buildid=' \
			-o "$out/$arch/$function/bootstrap" "./functions/$function"
	done
done
