#!/bin/sh
# Initialise PGDATA when it is empty, then become the server. Arguments that start with a dash go to the server.
set -eu

fail() { echo "postgres: $1" >&2; exit 1; }

# A variable NAME, or the content of the file that NAME_FILE names: a mounted Secret stays out of the environment.
setting() {
    eval "value=\${$1-}; file=\${$1_FILE-}"
    if [ -n "$file" ]; then
        [ -r "$file" ] || fail "$1_FILE names $file, which cannot be read"
        value=$(cat "$file")
    fi
    printf '%s' "${value:-$2}"
}

# The data is made in a folder beside its place and PG_VERSION moves last: a start that was killed half-way
# begins again instead of serving half a database.
initialise() {
    password=$(setting POSTGRES_PASSWORD '')
    user=$(setting POSTGRES_USER postgres)
    database=$(setting POSTGRES_DB "$user")
    [ -n "$password" ] || fail 'set POSTGRES_PASSWORD, or POSTGRES_PASSWORD_FILE to a file that holds it'
    fresh=$PGDATA/.initdb
    if [ -d "$fresh" ]; then find "$PGDATA" -mindepth 1 -delete; fi
    [ -z "$(ls -A "$PGDATA")" ] || fail "$PGDATA holds files but no database: empty it, or set PGDATA to a folder in it"
    mkdir -m 0700 "$fresh"
    secret=$(mktemp)
    printf '%s\n' "$password" > "$secret"
    initdb --pgdata="$fresh" --username="$user" --pwfile="$secret" --auth-local=trust --auth-host=scram-sha-256 \
        --encoding=UTF8 --no-sync ${POSTGRES_INITDB_ARGS-} > /dev/null
    rm -f "$secret"
    echo 'host all all all scram-sha-256' >> "$fresh/pg_hba.conf"
    echo "listen_addresses = '*'" >> "$fresh/postgresql.conf"
    if [ "$database" != postgres ]; then
        quoted=$(printf '%s' "$database" | sed 's/"/""/g')
        echo "CREATE DATABASE \"$quoted\";" | postgres --single -D "$fresh" postgres > /dev/null
    fi
    find "$fresh" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv {} "$PGDATA/" \;
    sync
    mv "$fresh/PG_VERSION" "$PGDATA/"
    rmdir "$fresh"
}

case "${1-}" in '' | -*) set -- postgres "$@" ;; esac
if [ "$1" = postgres ]; then
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    [ -e "$PGDATA/PG_VERSION" ] || initialise
    unset POSTGRES_PASSWORD
fi
exec "$@"
