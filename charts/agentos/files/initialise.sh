#!/bin/sh
# Make PGDATA with the operator's role and database when there is none yet; needs initdb and postgres on PATH.
# It is made beside its place and moved there whole: a start that was killed half-way begins again.
set -eu
umask 077
[ ! -e "$PGDATA/PG_VERSION" ] || exit 0

quoted() { printf '%s' "$1" | sed "s/$2/$2$2/g"; }
name=$(quoted "$AGENTOS_USERNAME" '"')
password=$(quoted "$AGENTOS_PASSWORD" "'")

fresh=$PGDATA.new
rm -rf "$fresh"
initdb --pgdata="$fresh" --username=postgres --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 > /dev/null
echo 'host all all all scram-sha-256' >> "$fresh/pg_hba.conf"

# One statement a line. A statement that fails ends the script, and is never logged: it may hold the password.
run() { postgres --single -D "$fresh" -c exit_on_error=on -c log_min_error_statement=panic "$1" > /dev/null; }

run postgres <<SQL
CREATE ROLE "$name" LOGIN CREATEROLE CREATEDB PASSWORD '$password'
CREATE DATABASE agentos OWNER "$name"
REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC
SQL
# Only a superuser may install pgvector. The schema and its comment are what the operator makes where it is missing.
# Workspaces with a database of their own get what template1 has.
for database in agentos template1; do
    run "$database" <<SQL
CREATE SCHEMA ext AUTHORIZATION "$name"
COMMENT ON SCHEMA ext IS 'agentos.hyvve.io/extensions'
CREATE EXTENSION vector SCHEMA ext
SQL
done
mv "$fresh" "$PGDATA"
