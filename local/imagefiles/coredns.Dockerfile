# The cluster's DNS: one static binary. It runs as root with NET_BIND_SERVICE only, since it listens on port 53.
FROM scratch
COPY coredns /coredns
ENTRYPOINT ["/coredns"]
