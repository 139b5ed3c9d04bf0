# Holds a pod's namespaces open: containerd's sandbox image. A static busybox needs no file beside itself.
FROM scratch
COPY busybox /busybox
USER 65535:65535
ENTRYPOINT ["/busybox", "sleep", "2147483647"]
