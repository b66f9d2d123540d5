#!/bin/sh
# Installs the servers that the tests start for themselves (each test its own, on a private port): sshd and RabbitMQ; and strace.
# Does nothing where they are there already; without root or apt it says what is missing, and the tests that need it are skipped.
set -eu

PATH="$PATH:/usr/sbin:/usr/lib/rabbitmq/bin"
packages=""
command -v sshd >/dev/null 2>&1 || packages="$packages openssh-server"
command -v rabbitmq-server >/dev/null 2>&1 || packages="$packages rabbitmq-server"
command -v strace >/dev/null 2>&1 || packages="$packages strace"
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "services: not installed, as there is no apt-get here:$packages. Tests that need them are skipped." >&2
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    echo "services: not installed, as this is not root:$packages. Tests that need them are skipped; to run them too: sudo apt-get install$packages" >&2
    exit 0
fi

# Debian starts a server as soon as it is installed; the tests want it on their own terms only.
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
ours=no
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    ours=yes
fi
tidy() {
    [ "$ours" = no ] || rm -f "$policy"
    rm -f "$log"
}
trap tidy EXIT
trap 'exit 130' INT TERM

echo "services: installing$packages (once) ..."
apt="apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3"
# shellcheck disable=SC2086  # both are lists of words
if ! { $apt update && DEBIAN_FRONTEND=noninteractive $apt install -y --no-install-recommends $packages; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "services: apt-get could not install$packages. Tests that need them are skipped." >&2
fi
