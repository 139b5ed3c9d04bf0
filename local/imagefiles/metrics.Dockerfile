# What HorizontalPodAutoscalers measure with, for the bench: three static binaries, of which a pod's command picks one.
FROM scratch
COPY metrics-server prometheus prometheus-adapter /usr/local/bin/
ENV PATH=/usr/local/bin
USER 65532:65532
