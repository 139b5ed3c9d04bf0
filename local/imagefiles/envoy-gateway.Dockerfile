# Envoy Gateway's control plane, certificate generator and shutdown manager: one static binary, as its chart calls it.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie
FROM ${BASE_IMAGE} AS files
RUN mkdir -p /root-of-image/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
 && echo 'nonroot:x:65532:65532::/tmp:/sbin/nologin' > /root-of-image/etc/passwd \
 && install -d -o 65532 -g 65532 /root-of-image/var/lib/eg \
 && install -d -m 1777 /root-of-image/tmp
FROM scratch
COPY --from=files /root-of-image /
COPY envoy-gateway /usr/local/bin/envoy-gateway
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/envoy-gateway"]
