#!/bin/sh
# Runs a command beside a container engine of its own: Docker's, in a network
# without any other machine, with an image in place of the one that `sam local`
# would fetch. Everything that it starts ends with the command, whose status is
# this one's.
#
#   scripts/container.sh run CMD [ARG...]
#
# It needs Linux and root, and on Debian installs what is missing. The engine
# that the system may have is not touched; nothing is left but the file system
# of the image, in .cache/.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm

die() {
	echo "container.sh: $*" >&2
	exit 1
}

case $(uname -m) in
x86_64) arch=x86_64 ;;
aarch64 | arm64) arch=arm64 ;;
*) die "cannot run a container engine here: no Lambda function runs on $(uname -m)" ;;
esac
files=$root/.cache/$suite-$arch.tar

# The name by which aws-sam-cli asks for the operating system of functions
# (samcli/local/docker/lambda_image.py). The image is Debian's and not Amazon's:
# a static executable sees no difference.
image=public.ecr.aws/lambda/provided:al2023-$arch

# inside is what runs in the namespaces, as their first process: what is still
# there when it ends is killed.
inside() {
	ip link set lo up
	mount -t tmpfs -o mode=0700 dcr-container "$work"
	mkdir "$work/tmp"
	export DOCKER_HOST="unix://$work/docker.sock" TMPDIR="$work/tmp"
	# So that it is not late with the containers' output: sam waits for that, and
	# for a second if some lines of it come together.
	nice -n -10 dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
		--log-level warn >"$work/log" 2>&1 &
	engine=$!
	tries=0
	until docker version >/dev/null 2>&1; do
		kill -0 "$engine" 2>/dev/null || die "cannot run a container engine here: dockerd ended: $(tail -n 1 "$work/log")"
		[ "$tries" -lt 300 ] || die "cannot run a container engine here: dockerd does not answer: $(tail -n 1 "$work/log")"
		tries=$((tries + 1))
		sleep 0.1
	done
	docker import --change 'ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime' "$files" "$image" >"$work/out" 2>&1 ||
		die "cannot make the image: $(tail -n 1 "$work/out")"
	docker run --rm "$image" true >"$work/out" 2>&1 ||
		die "cannot run a container here: $(tail -n 1 "$work/out")"

	status=0
	"$@" || status=$?
	kill "$engine"
	wait "$engine" || true
	exit "$status"
}

if [ "${1-}" = inside ]; then
	work=$2
	shift 2
	inside "$@"
fi

if [ "${1-}" != run ] || [ $# -lt 2 ]; then
	echo "usage: scripts/container.sh run CMD [ARG...]" >&2
	exit 2
fi
shift

[ "$(uname -s)" = Linux ] || die "cannot run a container engine here: this is $(uname -s) and not Linux"
[ "$(id -u)" = 0 ] || die "cannot run a container engine here: it needs root"

work=$(mktemp -d)
made=
namespaces=
# shellcheck disable=SC2329 # it is the trap
stop() {
	# With it goes the first process in there, and with that all others.
	[ -z "$namespaces" ] || kill -9 "$namespaces" 2>/dev/null || true
	# shellcheck disable=SC2086 # a list
	rm -rf "$work" $made
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

missing=
for tool in dockerd:docker.io docker:docker.io containerd:containerd runc:runc ip:iproute2 iptables:iptables unshare:util-linux debootstrap:debootstrap; do
	command -v "${tool%:*}" >/dev/null 2>&1 || missing="$missing ${tool#*:}"
done
if [ -n "$missing" ]; then
	command -v apt-get >/dev/null 2>&1 || die "cannot run a container engine here: missing are, by the names of their Debian packages:$missing"
	echo "container.sh: installing$missing" >&2
	# shellcheck disable=SC2086 # a list
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing; } >"$work/log" 2>&1 ||
		die "cannot install$missing: $(tail -n 1 "$work/log")"
fi

# debootstrap makes a small Debian, of which functions need no more than a shell
# to put sam's emulator of Lambda in.
if [ ! -f "$files" ]; then
	echo "container.sh: making the file system of the image" >&2
	mkdir -p "$root/.cache"
	made="$root/.cache/making.$$ $files.$$"
	debootstrap --variant=minbase "$suite" "$root/.cache/making.$$" >"$work/log" 2>&1 ||
		die "debootstrap failed: $(tail -n 1 "$work/log")"
	tar -C "$root/.cache/making.$$" --exclude='./usr/share/doc/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/man/*' \
		--exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' -cf "$files.$$" .
	mv "$files.$$" "$files"
fi

status=0
unshare --net --mount --pid --fork --kill-child --mount-proc "$root/scripts/container.sh" inside "$work" "$@" &
namespaces=$!
wait "$namespaces" || status=$?
namespaces=
exit "$status"
