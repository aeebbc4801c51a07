#!/bin/sh
# Builds one program so that the same source, the same VERSION and the same Go
# give the same bytes, wherever and whenever.
#
#   scripts/compile.sh OS ARCH OUTPUT PACKAGE [TAGS]
#
# VERSION is what the program says of itself, dev unless set.
set -eu

os=$1 arch=$2 out=$3 package=$4 tags=${5-}
case $out in
/*) ;;
*) out=$PWD/$out ;;
esac
cd "$(dirname "$0")/.."

version=${VERSION:-dev}
case $version in
*[!A-Za-z0-9.+_-]*)
	echo "compile.sh: VERSION is $version; it may have letters, digits and . + _ -" >&2
	exit 2
	;;
esac

# No symbols; the build id neither, but on macOS, whose loader wants the UUID
# that the linker derives from it.
ldflags="-s -w -X github.com/dcr-broker/dcr-broker/internal/environment.version=$version"
[ "$os" = darwin ] || ldflags="$ldflags -buildid="

# No cgo, no paths and nothing of git in the binary; GOFLAGS and the instruction
# sets are not left to the environment.
GOOS=$os GOARCH=$arch CGO_ENABLED=0 GOFLAGS=-mod=readonly GOEXPERIMENT='' GOARM64=v8.0 GOAMD64=v1 \
	"${GO:-go}" build -trimpath -buildvcs=false -tags "$tags" -ldflags "$ldflags" -o "$out" "$package"
