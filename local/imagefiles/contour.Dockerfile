# Contour, the Ingress controller that the cluster tests put beside Envoy Gateway: one static binary.
FROM scratch
COPY contour /usr/local/bin/contour
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/contour"]
