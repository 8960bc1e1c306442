# The build stage makes one virtual environment; the final image takes that and nothing else. Both begin from one image,
# whose digest the update bot renews.
FROM python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8 AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

COPY requirements/build.lock requirements/runtime.lock requirements/
RUN pip install --require-hashes -r requirements/build.lock \
    && python -m venv --without-pip /opt/exporter \
    && pip --python /opt/exporter/bin/python install --require-hashes -r requirements/runtime.lock

COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/exporter/bin/python install --no-deps --no-index /wheels/*.whl


FROM python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8

ARG REVISION=unknown
LABEL org.opencontainers.image.title="bytespike-exporter" \
      org.opencontainers.image.description="Prometheus exporter for ByteSpike's asynchronous generation tasks" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"

ENV PATH=/opt/exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BYTESPIKE_EXPORTER_CONFIG_FILE=/etc/bytespike-exporter/exporter.yml \
    BYTESPIKE_EXPORTER_REVISION=${REVISION}

COPY --from=build /opt/exporter /opt/exporter
# the only place that is written to: the root file system may be read-only
RUN install -d -o 65532 -g 65532 /data

# from here the default ledger, data/ledger.db, lies in the volume
WORKDIR /
VOLUME /data
USER 65532:65532
EXPOSE 9877

# http.client heeds no proxy variable
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 9877, timeout=3); c.request('GET', '/-/healthy'); sys.exit(c.getresponse().status != 200)"]

# signals that come before Python runs wait for it: to the first process of a container they would do nothing
ENTRYPOINT ["env", "--block-signal=TERM,INT,HUP", "bytespike-exporter"]
