# The scripted model server of local/fakemodel: what the quick start and the tests talk to instead of a provider.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie
FROM ${BASE_IMAGE} AS dependencies
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/fake-model
COPY fakemodel.txt /src/
RUN --mount=type=cache,id=agentos-pip,target=/root/.cache/pip \
    --mount=type=secret,id=pip --mount=type=secret,id=ca,mode=0444 \
    PIP_CONFIG_FILE=/run/secrets/pip /opt/build/bin/pip --python /opt/fake-model/bin/python install --quiet --no-compile \
        --require-hashes -r /src/fakemodel.txt \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/fake-model/lib
FROM dependencies AS program
COPY fakemodel /program/opt/fake-model/app/local/fakemodel
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /program
FROM ${BASE_IMAGE}
ENV PATH=/opt/fake-model/bin:/usr/bin:/bin HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/fake-model/app
COPY --from=dependencies /opt/fake-model /opt/fake-model
COPY --from=program /program /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "local.fakemodel"]
CMD ["--host", "0.0.0.0", "--port", "8080"]
