#!/bin/bash
# Debian's PostgreSQL with what compose.yaml uses of the public image: POSTGRES_*, and data below /var/lib/postgresql.
set -euo pipefail
export PATH="$(echo /usr/lib/postgresql/*/bin):$PATH" PGDATA=/var/lib/postgresql/data
as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  install -d -o postgres -g postgres -m 700 "$PGDATA"
  echo "$POSTGRES_PASSWORD" > /tmp/password
  "${as[@]}" initdb --no-sync --username="$POSTGRES_USER" --auth=scram-sha-256 --pwfile=/tmp/password --no-locale \
    --encoding=UTF8
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\"" | "${as[@]}" postgres --single -D "$PGDATA" postgres
fi
exec "${as[@]}" postgres -D "$PGDATA" -c listen_addresses='*' -k /tmp
