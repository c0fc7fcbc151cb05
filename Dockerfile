# Caretrail in a container: locked dependencies, no build tools, nobody's user, nothing writable but /data.
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/caretrail
COPY requirements.lock requirements-extras.lock requirements-build.lock ./
# With webhooks, copies elsewhere, PDF and Transit: --build-arg LOCK=requirements-extras.lock
ARG LOCK=requirements.lock
RUN /opt/caretrail/bin/pip install --require-hashes --only-binary :all: -r ${LOCK}
# The project itself is built with its own, locked, setuptools outside of what is shipped.
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY migrations migrations
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/caretrail/bin/pip install --no-deps --no-index dist/*.whl \
 && /opt/caretrail/bin/pip uninstall --yes pip setuptools

FROM ${PYTHON}
# pg_dump and pg_restore of the server's version, for backups: from PostgreSQL's own packages
ARG POSTGRESQL=18
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates postgresql-common \
 && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
 && apt-get install --yes --no-install-recommends postgresql-client-${POSTGRESQL} \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 caretrail \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin caretrail \
 && install -d -o caretrail -g caretrail -m 0700 /data
COPY --from=build /opt/caretrail /opt/caretrail
ENV PATH=/opt/caretrail/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CARETRAIL_DATA_DIR=/data \
    CARETRAIL_HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["caretrail", "ready"]
ENTRYPOINT ["caretrail"]
CMD ["serve"]
