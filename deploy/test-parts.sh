#!/bin/sh
# Installs the real servers and tools that the tests talk to, from Debian's
# packages. Does nothing where they are there; without root it says what to run.
set -eu

packages=""
want() { # want PROGRAM PACKAGE
	command -v "$1" >/dev/null 2>&1 || [ -x "$1" ] || packages="$packages $2"
}
want mosquitto_pub mosquitto-clients
want mosquitto mosquitto
want mbpoll mbpoll
want victoria-metrics victoria-metrics
want chromium chromium
want cc gcc
want strace strace
want ip iproute2
[ -e /usr/include/modbus/modbus.h ] || packages="$packages libmodbus-dev"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || packages="$packages postgresql"

[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "the tests need: apt-get install$packages" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing for the tests:$packages"
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $packages >/dev/null
