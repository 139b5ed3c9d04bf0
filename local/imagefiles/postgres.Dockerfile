# PostgreSQL 17 with pgvector for the local cluster and the tests. Like the usual public image it has the server's
# programs on PATH and runs as UID 999, on a read-only root too. It prepares no data: the chart's initialise.sh does.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie
FROM ${BASE_IMAGE}
# The account exists before the package, so that its number is the one that manifests name.
# Just-in-time compilation and Perl are half of the package's weight and of no use to short queries.
# The builder may pass its own package sources as secrets; else those of the base image are used.
RUN --mount=type=secret,id=sources --mount=type=secret,id=apt,mode=0444 --mount=type=secret,id=ca,mode=0444 \
    groupadd --system --gid 999 postgres \
 && useradd --system --uid 999 --gid 999 --home-dir /var/lib/postgresql --no-log-init postgres \
 && export DEBIAN_FRONTEND=noninteractive APT_CONFIG=/run/secrets/apt \
 && if [ ! -e /run/secrets/apt ]; then unset APT_CONFIG; fi \
 && if [ -e /run/secrets/sources ]; then set -- -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::SourceList=/run/secrets/sources; fi \
 && mkdir -p /etc/postgresql-common \
 && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
 && apt-get -q "$@" update \
 && apt-get -q "$@" install -y --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io \
        postgresql-17 postgresql-17-pgvector \
 && for name in /usr/lib/*/libLLVM* /usr/lib/*/libz3.so* /usr/lib/*/libperl.so* /usr/lib/*/perl/5.* /usr/share/perl/5.* \
                /usr/lib/postgresql/17/lib/llvmjit* /usr/lib/postgresql/17/lib/bitcode; do rm -rf "$name"; done \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/* \
           /usr/share/postgresql/17/man \
 && install -d -o 999 -g 999 -m 0755 /var/lib/postgresql /var/lib/postgresql/data \
 && install -d -o 999 -g 999 -m 2775 /run/postgresql
ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin \
    PGDATA=/var/lib/postgresql/data/pgdata \
    LANG=C.UTF-8
USER 999:999
EXPOSE 5432
# A "fast" shutdown: sessions are ended, nothing needs recovery at the next start.
STOPSIGNAL SIGINT
CMD ["postgres"]
