#!/bin/sh
# The broker under `sam local`: template.yaml with its functions in containers,
# beside a local Cognito, a local DynamoDB and a sample MCP server.
#
#   scripts/sam-local.sh run [ARG...]   until Ctrl-C, on the Docker that there is;
#                                       arguments are for `sam local`
#   scripts/sam-local.sh prepare        installs and builds what a test needs
#   scripts/sam-local.sh test           the end-to-end tests and every file in
#                                       events/; nothing is fetched from anywhere
#
# Variables, for what is taken or not found out:
#
#   BROKER_PORT (3000), LAMBDA_PORT (3001), DCR_DEV_COGNITO (localhost:9229),
#   DCR_DEV_MCP (localhost:8090)    where things are on this machine
#   HOST_ADDRESS                    where containers reach this machine
#
# Variables of the broker that depend on no address, such as LOG_LEVEL, POLICY
# and BRAND_ACCENT, are handed on. No AWS account is asked for anything.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
built=$root/.aws-sam/local
broker_port=${BROKER_PORT:-3000}
lambda_port=${LAMBDA_PORT:-3001}

die() {
	echo "sam-local.sh: $*" >&2
	exit 1
}

case $(uname -m) in
x86_64) arch=x86_64 ;;
aarch64 | arm64) arch=arm64 ;;
*) die "no Lambda function runs on $(uname -m)" ;;
esac

# sam hands its own credentials to the functions.
unset AWS_PROFILE AWS_SESSION_TOKEN
export SAM_CLI_TELEMETRY=0 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 \
	AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true

work=$(mktemp -d)
started=
# shellcheck disable=SC2329 # it is the trap
stop() {
	# The last first; sam stops its containers.
	for pid in $started; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# engine fails where plainly no container engine is, before anything is installed.
engine() {
	[ -z "${DOCKER_HOST-}" ] && [ ! -S /var/run/docker.sock ] || return 0
	for cli in docker finch podman; do
		! command -v "$cli" >/dev/null 2>&1 || return 0
	done
	die "$no_engine"
}
no_engine="no container engine answers; install Docker (https://docs.docker.com/engine/install/), or start it"

# prepare takes venv, which has sam.
prepare() {
	"$root/scripts/moto.sh" install
	echo "sam-local.sh: building the functions for $arch" >&2
	(cd "$root" && ARCHITECTURE=$arch "$venv/bin/sam" build --build-dir "$built" --parameter-overrides "Architecture=$arch") >"$work/log" 2>&1 ||
		die "sam build failed: $(tail -n 20 "$work/log")"
	(cd "$root" && "${GO:-go}" build -o bin/dcr-dev ./cmd/dcr-dev) || die "cannot build dcr-dev"
}

# locate finds out where containers reach this machine: listen is the address
# that servers for them listen on, host what they call it. The gateway of their
# network is this machine, unless they run in a virtual one.
locate() {
	if [ -n "${HOST_ADDRESS-}" ]; then
		listen=$HOST_ADDRESS host=$HOST_ADDRESS
		return
	fi
	found=$("$venv/bin/python" - 2>"$work/log" <<-'PYTHON'
		import ipaddress, socket
		from samcli.local.docker.utils import get_validated_container_client

		bridge = get_validated_container_client().networks.get("bridge").attrs["IPAM"]["Config"][0]
		# Docker leaves the gateway out until it is started another time.
		gateway = bridge.get("Gateway") or str(ipaddress.ip_network(bridge["Subnet"])[1])
		with socket.socket() as s:
		    try:
		        s.bind((gateway, 0))
		        print(gateway, gateway)
		    except OSError:
		        print("127.0.0.1", "host.docker.internal")
	PYTHON
	) || die "$no_engine"
	listen=${found% *} host=${found#* }
}

# surroundings starts what the functions need, all but moto's server, which is at
# DYNAMODB_ENDPOINT by now.
surroundings() {
	"$root/bin/dcr-dev" surroundings --host "$host" --back-channel "$([ "$listen" = 127.0.0.1 ] || echo "$listen:0")" \
		--issuer "http://localhost:$broker_port" --aws "$DYNAMODB_ENDPOINT" \
		--lambda "http://$host:$lambda_port" --provision ProvisionFunction --out "$work" >"$work/surroundings.log" 2>&1 &
	started="$! $started"
	tries=0
	until [ -f "$work/client.sh" ]; do
		kill -0 "$!" 2>/dev/null || die "$(tail -n 1 "$work/surroundings.log")"
		[ "$tries" -lt 300 ] || die "the local Cognito does not start in time"
		tries=$((tries + 1))
		sleep 0.1
	done
	# shellcheck disable=SC1091 # surroundings wrote it
	. "$work/client.sh"
	export AWS_ENDPOINT_URL="$DYNAMODB_ENDPOINT" # sam asks STS whose account this is
}

# sam becomes a command of `sam local` on what was built; with through, what that
# names is to run it.
sam() {
	command=$1
	shift
	exec ${through:+"$through"} "$venv/bin/sam" local "$command" --template-file "$built/template.yaml" --parameter-overrides "Architecture=$arch" \
		--region us-east-1 --env-vars "$work/functions.json" "$@"
}

# serve starts one of sam's servers, with a container for each function that is
# used, and waits until it listens.
serve() {
	server=$1 address=$2 port=$3
	shift 3
	: >"$work/$server.log" # the first look at it may come before sam
	sam "$server" --host "$address" --port "$port" --warm-containers LAZY --no-watch "$@" >"$work/$server.log" 2>&1 &
	started="$! $started"
	tries=0
	until grep -q "Running on http" "$work/$server.log"; do
		kill -0 "$!" 2>/dev/null || die "sam local $server ended: $(tail -n 3 "$work/$server.log")"
		[ "$tries" -lt 600 ] || die "sam local $server does not start in time: $(tail -n 3 "$work/$server.log")"
		tries=$((tries + 1))
		sleep 0.1
	done
}

banner() {
	cat <<-TEXT

		dcr-broker is starting under sam local; it forgets everything when you stop it.

		  MCP server     $E2E_MCP_URL
		  Broker         http://localhost:$broker_port
		                 http://localhost:$broker_port/.well-known/oauth-authorization-server
		  Sign in as     $E2E_USERNAME / $E2E_PASSWORD
		  To register    $E2E_INITIAL_ACCESS_TOKEN
		                 is an initial access token; without one, too
		  Logs           below, and of the function that makes app clients
		                 $work/start-lambda.log

		Connect an MCP client

		  MCP Inspector  npx @modelcontextprotocol/inspector
		                 transport "Streamable HTTP", URL $E2E_MCP_URL, then Connect
		  Claude Code    claude mcp add --transport http sample $E2E_MCP_URL
		                 then type /mcp in claude and choose "sample" to sign in

		The first request of a function starts its container. sam waits up to a second
		for the log of each. Ctrl-C stops everything.

	TEXT
}

run() {
	surroundings
	serve start-lambda "$listen" "$lambda_port" "$@"
	banner
	(sam start-api --host localhost --port "$broker_port" --warm-containers LAZY --no-watch "$@")
}

# What `sam local` does otherwise than API Gateway: it takes "//" for "/", has no
# route for methods that it does not know, and cannot hand on a body that is
# neither UTF-8 nor of a media type that the API says is binary.
not_gateway='TestWhatIsNotThere/brokered/unclean_path|TestWhatIsNotThere/brokered/an_unknown_method|TestBadRegistrations/brokered/not_UTF-8'

tests() {
	surroundings
	serve start-lambda "$listen" "$lambda_port" --skip-pull-image
	serve start-api localhost "$broker_port" --skip-pull-image
	cd "$root"
	if ! make e2e BASE_URL="http://localhost:$broker_port" ARGS="-skip='$not_gateway'" >"$work/e2e.log" 2>&1; then
		tail -n 40 "$work/start-lambda.log" "$work/start-api.log"
		cat "$work/e2e.log"
		die "the end-to-end tests failed"
	fi
	grep -E -- '^ *--- (PASS|SKIP)|^ok' "$work/e2e.log"
	(through=bin/sam-events && sam invoke --skip-pull-image)
}

case ${1-} in
prepare)
	venv=$("$root/scripts/sam-tools.sh" install)
	prepare
	cd "$root"
	"${GO:-go}" build -o bin/sam-events ./test/events
	"${GO:-go}" test -c -o /dev/null ./test/e2e
	;;
run)
	shift
	engine
	venv=$("$root/scripts/sam-tools.sh" install)
	locate
	prepare
	MOTO_ADDRESS=$listen "$root/scripts/moto.sh" run "$root/scripts/sam-local.sh" beside-moto run "$venv" "$listen" "$host" "$@"
	;;
test)
	# What it says in passing is not for a test's log, and would have sam wait: see
	# nice in container.sh.
	export LOG_LEVEL="${LOG_LEVEL:-error}"
	venv=$("$root/scripts/sam-tools.sh" install)
	locate
	MOTO_ADDRESS=$listen "$root/scripts/moto.sh" run "$root/scripts/sam-local.sh" beside-moto tests "$venv" "$listen" "$host"
	;;
beside-moto)
	what=$2 venv=$3 listen=$4 host=$5
	shift 5
	"$what" "$@"
	;;
*)
	echo "usage: scripts/sam-local.sh run [ARG...] | prepare | test" >&2
	exit 2
	;;
esac
