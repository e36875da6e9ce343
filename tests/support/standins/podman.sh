#!/bin/bash
# Debian's podman 4.3 for podman-compose, with what it lacks: `wait --condition=healthy` (of 4.6) by running the health
# checks, which podman leaves to systemd's timers; and without --requires, with which it cannot start a container whose
# dependency has a dependency of its own. podman-compose sees to the order by itself.
set -u
if [ "${1-}" = --version ]; then
  echo "podman version 4.6.0"
  exit
fi
if [ "${1-} ${2-}" = "wait --condition=healthy" ]; then
  shift 2
  for container; do
    until "$PODMAN" healthcheck run "$container" >/dev/null 2>&1; do sleep 1; done
  done
  exit
fi
kept=()
for argument; do [[ $argument == --requires=* ]] || kept+=("$argument"); done
exec "$PODMAN" "${kept[@]}"
